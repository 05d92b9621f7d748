"""A customer's report as one content, and as a page of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from markupsafe import Markup, escape

from include.common import texts
from include.common.errors import ConfigError
from include.common.texts import N_, gettext
from include.config.customer_report import CustomerReport
from include.reports import periods
from include.reports.customer import sections
from include.reports.customer.facts import Facts
from include.reports.page import Section, render
from include.reports.periods import Period

Document = dict[str, Any]
DRAFT = N_("Draft: not approved yet. Do not send it to the customer.")
REPLACED = N_("Replaced by a newer edition. Do not send it to the customer.")


def named(name: str) -> Period:
    """Return a period by its name, such as 2026-11 or 2026Q3.

    Raises:
        ConfigError: It is not a month or quarter.
    """
    try:
        return periods.named("quarterly" if "Q" in name.upper() else "monthly", name)
    except ConfigError as error:
        raise ConfigError(f"{name!r} is not a period", cure="write it like 2026-11 or 2026Q3") from error


def make(found: Facts, period: Period, settings: CustomerReport, lacks: Sequence[str]) -> Document:
    """Return the content of a report, in the reader's language."""
    period = periods.of(period.length, period.first)  # its label in this language
    content = {
        "title": gettext("Your use and its value: {customer}", customer=found.account["name"]),
        "label": period.label,
        "csm": found.account["csm"] or "",
        "language": texts.language(),
        "sections": sections.write(found, period, settings, lacks),
    }
    content["is_incomplete"] = texts.is_incomplete()
    made: Document = orjson.loads(orjson.dumps(content))  # as the archive returns it
    return made


def shown(content: Document, next_steps: str = "") -> list[Section]:
    """Return the sections of the page.

    Args:
        next_steps: What the CSM wrote; it follows the planned steps, which are the last section.
    """
    found = [
        Section(one["title"], one["columns"], _linked(one), one["numbers"], one["text"]) for one in content["sections"]
    ]
    if next_steps:
        last = found.pop()
        found.append(Section(last.title, last.columns, last.rows, last.numbers, next_steps))
    return found


def html(content: Document, next_steps: str = "", warning: str = "") -> str:
    """Return the page of a report: the draft's, or with the CSM's next steps the approved one's.

    Args:
        warning: DRAFT or REPLACED, for a copy that somebody downloads.
    """
    with texts.reading(content["language"]):
        contact = gettext("Your contact: {name}.", name=content["csm"]) if content["csm"] else ""
        lead, warning = f"{content['label']}. {contact}".strip(), gettext(warning) if warning else ""
        return render(content["title"], lead, shown(content, next_steps), warning)


def _linked(section: dict[str, Any]) -> list[list[Any]]:
    """Return the rows, with links from the settings in their first cells."""
    rows: list[list[Any]] = [list(row) for row in section["rows"]]
    for number, address in section["links"].items():
        row = rows[int(number)]
        row[0] = Markup('<a href="{}">{}</a>').format(escape(address), row[0])
    return rows
