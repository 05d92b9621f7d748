"""Load the touches in force from ``config/touches/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from include import config
from include.config.documents import Document
from include.decide.playbooks.load import load as load_playbooks
from include.decide.rules.load import Clause, Rule, check_texts, condition, parse, rules_in
from include.decide.rules.reasons import Reason
from include.decide.rules.subjects import Table, table
from include.decide.signals.load import load as load_signals
from include.decide.touches.schema import Touch
from include.models import registry

# Names that texts may use in addition to the columns, with example values.
MORE_NAMES: Mapping[str, Any] = {"contact_name": "Ada Lovelace"}
_RFM = "marts.account_rfm"
# Column -> the kinds of source it depends on in addition to the CRM.
_SCORES = {
    "recency_days": {"product"},
    "n_active_days": {"product"},
    "paid": set[str](),
    "recency": {"product"},
    "frequency": {"product"},
    "money": set[str](),
}


def load() -> dict[str, Rule[Touch]]:
    """Return the touches in force by name, without those that have ``disabled: true``.

    Raises:
        ConfigError: A touch is wrong. The error names file, line and key.
    """
    taken = tuple(sorted({*load_signals(), *load_playbooks()}))
    return rules_in("config", "touches/*.yaml", _check, taken, config.load().segments.names)


def audience() -> Table:
    """Return the columns of ``marts.act_account`` with the scores of the newest month end."""
    accounts, scores = table("account"), registry.get(_RFM).metadata.columns
    joined = (
        f"(select a.*, {', '.join(f'r.{name}' for name in _SCORES)} from {accounts.name} as a"  # noqa: S608
        f" left join {_RFM} as r on r.account_key = a.account_key and r.as_of = (select max(as_of) from {_RFM}))"
        " as listed"
    )
    return replace(
        accounts,
        name=joined,
        types=accounts.types | {name: scores[name].type for name in _SCORES},
        kinds=accounts.kinds | {name: frozenset(kinds) for name, kinds in _SCORES.items()},
    )


def _check(document: Document, taken: tuple[str, ...], segments: tuple[str, ...]) -> Rule[Touch]:
    touch, subject = parse(document, Touch), audience()
    if touch.name in taken:
        raise document.error(("name",), "is also the name of a signal or playbook; choose another name")
    for number, name in enumerate(touch.segments):
        if name not in segments:
            raise document.error(("segments", number), f"unknown segment {name}", cure=f"known: {', '.join(segments)}")
    check_texts(
        document,
        [(("subject",), touch.subject), (("body",), touch.body)],
        {*subject.columns, *MORE_NAMES},
        [{**row, **MORE_NAMES} for row in subject.examples()],
    )
    found = condition(document, ("when",), touch.when, subject.columns, "w_")
    clauses = [Clause(Reason.CONDITION_NOT_MET, touch.when, found)] if found else []
    return Rule(touch, "account", subject, clauses, path=document.path)
