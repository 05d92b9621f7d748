"""The command ``report``: draw charts, and make, list and show reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.cli import customer_report, output

app = typer.Typer(help="Charts and reports.", no_args_is_help=True)
app.add_typer(customer_report.app, name="customer")
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_MADE = ("report", "period", "edition", "report_id", "is_new", "n_planned", "reason")
_EDITIONS = ("report_id", "report", "audience", "period", "edition", "made_at", "sha256")


@app.command("charts")
def draw_charts() -> None:
    """Draw the pages' charts whose figures have changed."""
    from include.charts import draw

    number = draw.draw()
    typer.echo(f"{number} of {len(draw.CHARTS)} charts were drawn; the others have not changed or have no figures yet")


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="Name of a report; all by default.")] = "",
    period: Annotated[str, typer.Option("--period", help="Such as 2026-11 or 2026-W48; the last one by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the reports that are due and plan their mails. Unchanged reports are not made again."""
    from include.reports import publish

    output.emit([vars(one) for one in publish.publish(name, period)], _MADE, as_json=as_json)


@app.command("list")
def list_reports(as_json: AsJson = False) -> None:
    """List the archive, newest edition first."""
    from include.reports import archive
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = archive.listing(connection)
    output.emit([vars(one) for one in found], _EDITIONS, as_json=as_json)
    if not found and not as_json:
        typer.echo("there are no reports yet; create them with `report make`")


@app.command("show")
def show(
    report_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the report, from `report list`.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write the page to this file instead.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF to this file instead.")] = None,
) -> None:
    """Show an edition as it was made."""
    from include.reports import archive, document
    from include.reports import pdf as pdfs
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = archive.get(connection, report_id)
    if html:
        html.write_text(found.html, encoding="utf-8")
        typer.echo(f"wrote {html}")
    if pdf:
        pdf.write_bytes(pdfs.of(found.html))
        typer.echo(f"wrote {pdf}")
    if html or pdf:
        return
    typer.echo(f"{document.title(found.data)}, sha256 {found.sha256}")
    for section in document.sections(found.data):
        typer.echo(f"\n{section.title}" + (f": {section.text}" if section.text else ""))
        if section.rows:
            output.emit([dict(zip(section.columns, row, strict=True)) for row in section.rows], section.columns)
