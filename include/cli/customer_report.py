"""The command ``report customer``: draft, list, show and approve customers' usage and value reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.cli import output
from include.common import user

app = typer.Typer(help="Customers' usage and value reports.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Account = Annotated[str, typer.Option("--account", help="Only this account, such as crm:1001.")]
Id = Annotated[int, typer.Argument(metavar="ID", help="Number of the report, from `report customer list`.")]
_DRAFTED = ("period", "n_customers", "n_without_consent", "n_new", "n_corrected", "n_tasks", "reason")
_EDITIONS = ("customer_report_id", "account_key", "period", "edition", "made_at", "approved_by", "sha256")


@app.command("draft")
def draft(
    period: Annotated[str, typer.Option("--period", help="2026-11 or 2026Q3; the last one by default.")] = "",
    account: Account = "",
    as_json: AsJson = False,
) -> None:
    """Draft the reports that are due, and plan the CRM tasks of approved ones."""
    from include.reports.customer import draft as drafting

    output.emit([vars(drafting.draft(period, account))], _DRAFTED, as_json=as_json)


@app.command("list")
def list_editions(account: Account = "", as_json: AsJson = False) -> None:
    """List the newest editions."""
    from include.reports.customer import archive
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = archive.listing(connection, [account] if account else None)
    output.emit([vars(one) for one in found], _EDITIONS, as_json=as_json)


@app.command("show")
def show(
    report_id: Id,
    html: Annotated[Path | None, typer.Option("--html", help="Write the page to this file instead.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF to this file instead.")] = None,
) -> None:
    """Show an edition as it was made. The page of a draft has a warning."""
    from include.reports import pdf as pdfs
    from include.reports.customer import archive, document
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = archive.get(connection, report_id)
        page = archive.copy(connection, found)
    if html:
        html.write_text(page, encoding="utf-8")
    if pdf:
        pdf.write_bytes(pdfs.of(page))
    if html or pdf:
        return
    state = f"approved by {found.approved_by}" if found.is_approved else "a draft"
    typer.echo(f"{found.data['title']}, {found.data['label']}: {state}, sha256 {found.sha256}")
    for section in document.shown(found.data, found.next_steps):
        typer.echo(f"\n{section.title}" + (f": {section.text}" if section.text else ""))
        if section.rows:
            output.emit([dict(zip(section.columns, row, strict=True)) for row in section.rows], section.columns)


@app.command("approve")
def approve(
    report_id: Id,
    next_steps: Annotated[str, typer.Option("--next-steps", help="What the customer reads as next steps.")] = "",
) -> None:
    """Approve a draft for its customer. The next run of publish_reports plans the CRM task to send it."""
    from include.reports.customer import archive

    kept = archive.approve(report_id, next_steps, by=user.user())
    typer.echo(f"approved as report {kept.customer_report_id}, edition {kept.edition}, sha256 {kept.sha256}")
