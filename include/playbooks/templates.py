"""The texts of tasks: Jinja in a sandbox, over the columns of one renewal and nothing else.

A name in the CRM may hold anything; values in a body are therefore escaped, and a subject is always one line.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from include.renewals import wording
from include.renewals.checkpoint import COLUMNS, EVIDENCE_KINDS, Checkpoint

MAX_SUBJECT = 250
MAX_BODY = 30_000
NAMES = frozenset({*COLUMNS, "due_on", "assignee_name"})


def environment(escapes: bool) -> ImmutableSandboxedEnvironment:
    """Return a sandbox for the texts of files that anyone may change: the filters day, number, percent; no globals."""
    environment = ImmutableSandboxedEnvironment(autoescape=escapes, undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(day=wording.day, number=wording.number, percent=wording.percent)
    environment.globals.clear()
    return environment


_SUBJECT = environment(escapes=False)
_BODY = environment(escapes=True)


def subject(template: str, checkpoint: Checkpoint, **more: object) -> str:
    """Return a task's subject, as one line of at most 250 characters."""
    text = " ".join(_render(_SUBJECT, template, checkpoint, more).split())
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "…"


def body(template: str, checkpoint: Checkpoint, **more: object) -> str:
    """Return a task's body as HTML."""
    return _render(_BODY, template, checkpoint, more).strip()[:MAX_BODY].replace("\n", "<br>\n")


def check(template: str) -> None:
    """Check a template, also by filling it with a renewal of which everything is known and one of which little is.

    Raises:
        ValueError: It is not valid, names something that a renewal does not have, or cannot be filled; says what.
    """
    try:
        unknown = sorted(meta.find_undeclared_variables(_BODY.parse(template)) - NAMES)
        if unknown:
            raise ValueError(f"names `{unknown[0]}`, which a renewal does not have")
        for example in (_FULL, _BARE):
            _render(_BODY, template, example, {"due_on": date(2026, 1, 1), "assignee_name": "Ada"})
    except SecurityError as error:
        raise ValueError(f"is not allowed: {error}") from None
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"is no valid template: {error}" + (f" (its line {line})" if line else "")) from None
    except (TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"cannot be filled when a value is unknown: {error}") from None


def _render(
    environment: ImmutableSandboxedEnvironment, template: str, checkpoint: Checkpoint, more: dict[str, Any]
) -> str:
    values = {column: getattr(checkpoint, column) for column in COLUMNS}
    return _compiled(environment, template).render(**values, **more)


@lru_cache(maxsize=256)
def _compiled(environment: ImmutableSandboxedEnvironment, template: str) -> Template:
    return environment.from_string(template)


_FULL = Checkpoint(
    as_of_day=date(2026, 1, 1),
    renewal_id="C-1#1",
    account_key="crm:1",
    account_name="Example",
    tier="standard",
    industry="Retail",
    region="Germany",
    contract_key="C-1",
    contract_number="C-1",
    term_no=1,
    term_start=date(2025, 3, 1),
    due_date=date(2026, 3, 1),
    term_days=365,
    notice_deadline=date(2026, 2, 1),
    decision_date=date(2026, 2, 1),
    days_to_decision=31,
    target_arr=Decimal(1000),
    currency="USD",
    is_auto_renew=False,
    owner_key="crm:7",
    owner_name="Ada",
    owner_email="ada@example.com",
    owner_team="East",
    owner_is_active=True,
    crm_account_id="1",
    crm_source="crm",
    usage_28d=Decimal(70),
    usage_baseline=Decimal(100),
    usage_ratio=0.7,
    active_users_28d=5,
    paid_seats=10,
    seat_utilisation=0.5,
    n_open_tickets=3,
    n_open_urgent_tickets=1,
    oldest_open_urgent_at=datetime(2025, 12, 24, tzinfo=UTC),
    last_contact_at=datetime(2025, 12, 1, tzinfo=UTC),
    n_decision_makers=1,
    decision_maker_known=True,
    decision_maker_name="Grace",
)
_MAY_BE_UNKNOWN = (
    *EVIDENCE_KINDS,
    "tier",
    "industry",
    "region",
    "notice_deadline",
    "owner_name",
    "owner_email",
    "owner_team",
    "last_contact_at",
    "n_decision_makers",
    "decision_maker_known",
    "decision_maker_name",
)
_BARE = dataclasses.replace(_FULL, **dict.fromkeys(_MAY_BE_UNKNOWN))  # type: ignore[arg-type]
