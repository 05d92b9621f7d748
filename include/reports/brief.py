"""Build the renewal brief: everything a CSM needs before a renewal talk, read from the warehouse alone.

A brief names people, so only the account's CSM and lead may see it. A section whose data no source provides says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from babel import Locale

from include.common import formatting, texts
from include.common.errors import ConfigError
from include.common.texts import gettext
from include.reports import brief_queries, questions
from include.reports import brief_sections as sections
from include.reports.page import Section, render


@dataclass(frozen=True)
class Brief:
    """A renewal brief.

    Args:
        as_of: The day at whose close the figures were taken.
        head: Label and value of the first lines.
    """

    account_key: str
    name: str
    renewal_id: str
    as_of: date
    head: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def title(self) -> str:
        return gettext("Renewal brief: {account}", account=self.name)

    def html(self) -> str:
        """Return the brief as one self-contained page."""
        head = Section(gettext("At a glance"), ("", ""), self.head)
        subtitle = gettext("{account}, at the close of {day}", account=self.account_key, day=formatting.day(self.as_of))
        return render(self.title, subtitle, (head, *self.sections))


def read(account_key: str, renewal_id: str = "") -> Brief:
    """Return the brief of an account's renewal.

    Args:
        account_key: The account.
        renewal_id: The renewal; by default the open one with the next decision date.

    Raises:
        ConfigError: There is no such account, or it has no open renewal.
    """
    with brief_queries.opened(account_key) as rows:
        account = rows.one(brief_queries.ACCOUNT)
        if account is None:
            raise ConfigError(f"unknown account {account_key}", cure="write source:id, such as crm:1001")
        known = {row["renewal_id"]: row for row in rows.all(brief_queries.RENEWALS)}
        renewal = known.get(renewal_id) if renewal_id else next(iter(known.values()), None)
        if renewal is None:
            there = f"open: {', '.join(known)}" if known else "it has no open renewal"
            raise ConfigError(f"there is no open renewal {renewal_id} of {account_key}".replace("  ", " "), cure=there)
        today = rows.one(brief_queries.TODAY) or {}
        return Brief(
            account_key,
            str(account["name"]),
            str(renewal["renewal_id"]),
            rows.as_of,
            sections.head(account, renewal, today, rows),
            (
                *_sections(rows, today, renewal["term_start"]),
                sections.comparable(rows, today),
                _questions(rows, today, account["language"]),
            ),
        )


@dataclass(frozen=True)
class Account:
    """The full profile of an account, with or without an open renewal.

    Args:
        as_of: The day at whose close the figures were taken.
        renewals: Its open renewals with their probability, next decision first.
    """

    account_key: str
    name: str
    tier: str
    csm: str
    as_of: date
    currency: str
    arr: float | None
    value: float | None
    renewals: tuple[Mapping[str, Any], ...]
    sections: tuple[Section, ...]


def of_account(account_key: str) -> Account:
    """Return the full profile of an account.

    Raises:
        ConfigError: There is no such account.
    """
    with brief_queries.opened(account_key) as rows:
        account = rows.one(brief_queries.ACCOUNT)
        if account is None:
            raise ConfigError(f"unknown account {account_key}", cure="write source:id, such as crm:1001")
        today = rows.one(brief_queries.TODAY) or {}
        renewals = tuple(rows.all(brief_queries.RENEWALS))
        since = renewals[0]["term_start"] if renewals else rows.as_of - timedelta(days=365)
        value = rows.one(brief_queries.VALUE)
        return Account(
            account_key,
            str(account["name"]),
            str(account["tier"] or ""),
            str(account["owner"] or ""),
            rows.as_of,
            rows.currency,
            float(today["arr"]) if today.get("arr") is not None else None,
            float(value["score"]) if value else None,
            renewals,
            (*_sections(rows, today, since), sections.timeline(rows)),
        )


def _questions(rows: brief_queries.Rows, today: Mapping[str, Any], language: str | None) -> Section:
    """Return three questions, in the customer's language if the CRM has it and Perennial too."""
    title, spoken, text = gettext("Three questions to ask"), texts.named(language), ""
    if spoken and spoken != texts.language():
        name = Locale.parse(spoken).get_display_name(texts.locale())
        text = gettext("In the customer's language: {language}.", language=name)
    with texts.reading(spoken or texts.language()):
        ask = questions.choose(today, rows.all(brief_queries.FEATURES), rows.all(brief_queries.TICKETS))
    return Section(title, columns=("",), rows=[(one,) for one in ask], text=text)


def _sections(rows: brief_queries.Rows, today: Mapping[str, Any], since: date) -> tuple[Section, ...]:
    return (
        sections.risks(rows, today),
        sections.causes(rows, since),
        sections.usage(rows, today),
        sections.tickets(rows),
        sections.people(rows),
        sections.products(rows),
        sections.prices(rows),
        sections.invoices(rows),
        sections.tasks(rows),
        sections.competitors(rows),
    )
