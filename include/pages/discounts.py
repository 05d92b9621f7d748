"""The discounts page: requests, answers, discounts that nobody approved, and money given away by health band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

from include import config
from include.analyses import discount_requests, discounts
from include.common import formatting
from include.common.errors import ConfigError
from include.common.texts import gettext
from include.common.words import word
from include.config.discounts import Trade
from include.config.viewers import Viewer
from include.deliver import notices
from include.outbox.message import Evidence, Message
from include.pages import scope
from include.warehouse.engine import engine

YEAR, MONTH = 365, 31


@dataclass(frozen=True)
class Discounts:
    """The page.

    Args:
        may_ask: Whether the viewer's role may ask for a discount.
        may_answer: Numbers of the open requests that the viewer may answer.
        unapproved: Renewals of the last 31 days, won deeper than allowed and than approved.
        bands: Health bands with renewal rate and discount over the last 365 days, over all accounts; empty for roles
            that do not see the company's amounts.
    """

    may_ask: bool
    requests: Sequence[dict[str, Any]] = ()
    may_answer: frozenset[int] = frozenset()
    unapproved: Sequence[dict[str, Any]] = ()
    bands: Sequence[dict[str, Any]] = ()


def read(viewer: Viewer, login: str) -> Discounts:
    """Return the requests and discounts of the accounts that the viewer may see."""
    day = config.today()
    may_ask = viewer.role in discounts.LEVELS
    if not viewer.sees_amounts:
        return Discounts(may_ask)
    with engine("reader").connect() as connection:
        chosen = scope.accounts(connection, viewer)
        requests = discount_requests.listed(connection, day, chosen)
        unapproved = discount_requests.unapproved(connection, *discount_requests.last_days(day, MONTH))
        year = discount_requests.last_days(day, YEAR)
        bands = discount_requests.by_band(connection, *year) if viewer.sees_company else []
    mine = frozenset(
        row["request_id"] for row in requests if discount_requests.unanswerable(viewer, login, row, day) is None
    )
    return Discounts(
        may_ask, requests, mine, [row for row in unapproved if chosen is None or row["account_key"] in chosen], bands
    )


def ask(
    viewer: Viewer, login: str, renewal_id: str, offer: Decimal, months: int | None, trades: Sequence[str], why: str
) -> tuple[int, discounts.Check]:
    """Record a request, and notify the person whose approval it needs.

    Raises:
        ConfigError: The account is not the viewer's, the ladder refuses the offer, or a trade is not known.
    """
    with engine("reader").connect() as connection:
        account_key = discount_requests.renewal(connection, renewal_id).account_key
        if not scope.may_see(connection, viewer, account_key):
            raise ConfigError(
                f"{account_key} is not one of your accounts", cure="accounts are assigned in viewers.yaml"
            )
    if unknown := set(filter(None, trades)) - set(get_args(Trade)):
        raise ConfigError(f"unknown return {', '.join(sorted(unknown))}", cure=f"known: {', '.join(get_args(Trade))}")
    known: list[Trade] = [trade for trade in get_args(Trade) if trade in trades]
    number, found, checked = discount_requests.ask(
        viewer,
        login,
        renewal_id,
        offer,
        months=months,
        trades=known,
        why=why,
        day=config.today(),
    )
    if not discounts.may_grant(viewer.role, checked.level):
        people = config.load().people
        lead = people.team_leads.get(found.owner_team or "") if checked.level == "lead" else None
        notices.notify(
            lead or people.head_or_queue,
            lambda: _notice(login, number, found, checked, offer, [word(trade) for trade in known], why),
        )
    return number, checked


def _notice(
    login: str,
    number: int,
    found: discount_requests.Renewal,
    checked: discounts.Check,
    offer: Decimal,
    trades: Sequence[str],
    why: str,
) -> Message:
    """Return the notice to the person whose approval a request needs."""
    return Message(
        subject=gettext("Discount request {number}: {account}", number=number, account=found.account_name),
        summary=gettext(
            "{login} asks for {share} off, which needs your approval.",
            login=login,
            share=formatting.percent(checked.depth, 1),
        ),
        evidence=(
            Evidence(
                text=gettext(
                    "Offer {offer} of a list price of {price}",
                    offer=formatting.decimal(offer, 2),
                    price=formatting.decimal(found.list_arr or 0, 2),
                )
            ),
            Evidence(
                text=gettext(
                    "Health {band}; decision {distance}",
                    band=word(found.band or "unknown"),
                    distance=formatting.distance(found.days_to_decision),
                )
            ),
            Evidence(
                text=gettext("In return: {trades}. Why: {why}", trades=", ".join(trades) or gettext("nothing"), why=why)
            ),
        ),
        next_steps=(
            gettext(
                "Answer on the page Discounts, or: {command}",
                command=f"python -m include.cli discounts approve {number}",
            ),
        ),
        footer=gettext("It lapses after {n} days.", n=config.load().discounts.valid_days),
    )


def answer(viewer: Viewer, login: str, number: int, is_approved: bool, note: str = "") -> None:
    """Answer a request of an account that the viewer may see.

    Raises:
        ConfigError: The viewer may not, or the request is not open.
    """
    with engine("reader").connect() as connection:
        chosen = scope.accounts(connection, viewer)
        rows = discount_requests.listed(connection, config.today(), chosen)
    if number not in {row["request_id"] for row in rows}:
        raise ConfigError(f"request {number} is not about one of your accounts", cure="discounts list")
    discount_requests.answer(viewer, login, number, is_approved=is_approved, note=note, day=config.today())
