"""The command ``discounts``: check an offer, ask for it, answer a request, and list what was granted."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import user

app = typer.Typer(
    help="Discounts on renewals: the ladder of discounts.yaml, requests, approvals.", no_args_is_help=True
)
RenewalId = Annotated[str, typer.Argument(help="The renewal's id, as in core.renewal.")]
Offer = Annotated[str, typer.Option("--offer", help="Annual price: 88000, 88,000 or 88k.")]
Term = Annotated[int, typer.Option("--term", help="Months of the new term; as before by default.", min=0, max=120)]
Note = Annotated[str, typer.Option("--note", help="Remark; stored with the answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_REQUESTS = (
    "request_id", "account_name", "renewal_id", "list_arr", "offer_arr", "discount", "level", "trades", "asked_by",
    "state", "answered_by", "valid_until", "outcome", "renewed_arr",
)  # fmt: skip
_UNAPPROVED = (
    "account_name",
    "renewal_id",
    "settled_on",
    "band",
    "list_arr",
    "renewed_arr",
    "discount",
    "approved_arr",
)
_BANDS = ("band", "n", "n_renewed", "renewal_rate", "n_priced", "mean_depth", "given_away")


@app.command("check")
def check_offer(renewal: RenewalId, offer: Offer, term: Term = 0, as_json: AsJson = False) -> None:
    """Say how deep an offer is below the list price, and who must approve it."""
    from include.analyses import discount_requests
    from include.pages import entries
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = discount_requests.renewal(connection, renewal)
    checked = discount_requests.check(found, entries.parse_amount(offer), term or None)
    row = {
        "renewal": renewal,
        "account": found.account_name,
        "list": found.list_arr,
        "discount": f"{checked.depth:.1%}",
        "credited": f"{checked.credited:.1%}",
        "needs": checked.level,
        "reason": checked.reason,
        "in_return": ", ".join(checked.row.trades) if checked.needs_trade else "",
    }
    output.emit([row], row, as_json=as_json)


@app.command("request")
def request(
    renewal: RenewalId,
    offer: Offer,
    why: Annotated[str, typer.Option("--why", help="Why the customer needs it; stored.")],
    term: Term = 0,
    trade: Annotated[
        list[str] | None, typer.Option("--trade", help="What the customer gives: term, reference, seats.")
    ] = None,
) -> None:
    """Ask for a discount, as the role that viewers.yaml gives your login."""
    from include import config
    from include.analyses.discounts import may_grant
    from include.pages import discounts, entries

    login = user.user()
    viewer = config.load().viewers.of(login)
    number, checked = discounts.ask(viewer, login, renewal, entries.parse_amount(offer), term or None, trade or (), why)
    is_own = may_grant(viewer.role, checked.level)
    waits = "is within your own hand" if is_own else f"waits for a {checked.level}"
    typer.echo(f"request {number} for {checked.depth:.1%} {waits}")


@app.command("approve")
def approve(number: int, note: Note = "") -> None:
    """Approve a request of somebody else."""
    _answer(number, True, note)


@app.command("reject")
def reject(number: int, note: Note = "") -> None:
    """Reject a request of somebody else."""
    _answer(number, False, note)


@app.command("list")
def list_requests(as_json: AsJson = False) -> None:
    """List requests with their answers, and what became of the renewals."""
    from include import config
    from include.analyses import discount_requests
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = discount_requests.listed(connection, config.today())
    output.emit([{**row, "discount": f"{row['depth']:.1%}"} for row in rows], _REQUESTS, as_json=as_json)


@app.command("unapproved")
def list_unapproved(
    days: Annotated[int, typer.Option("--days", help="Renewals settled in so many days.", min=1, max=3650)] = 31,
    month: Annotated[str, typer.Option("--month", help="Renewals settled in this month instead: 2026-11.")] = "",
    as_json: AsJson = False,
) -> None:
    """List renewals that were won deeper than a CSM grants alone, and deeper than approved."""
    from include import config
    from include.analyses import discount_requests
    from include.reports import periods
    from include.warehouse.engine import engine

    found = periods.named("monthly", month) if month else None
    first, last = (found.first, found.last) if found else discount_requests.last_days(config.today(), days)
    with engine("reader").connect() as connection:
        rows = discount_requests.unapproved(connection, first, last)
    output.emit([{**row, "discount": f"{row['depth']:.1%}"} for row in rows], _UNAPPROVED, as_json=as_json)


@app.command("by-band")
def list_bands(
    days: Annotated[int, typer.Option("--days", help="Renewals settled in so many days.", min=1, max=3650)] = 365,
    as_json: AsJson = False,
) -> None:
    """List renewal rate, mean discount and list ARR given away by health band."""
    from include import config
    from include.analyses import discount_requests
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = discount_requests.by_band(connection, *discount_requests.last_days(config.today(), days))
    output.emit(rows, _BANDS, as_json=as_json)


def _answer(number: int, is_approved: bool, note: str) -> None:
    from include import config
    from include.pages import discounts

    login = user.user()
    discounts.answer(config.load().viewers.of(login), login, number, is_approved, note)
    typer.echo(f"request {number} is {'approved' if is_approved else 'rejected'}")
