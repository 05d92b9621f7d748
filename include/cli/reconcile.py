"""The command ``reconcile``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from include.cli import output
from include.common.errors import ContractError, Unavailable

COLUMNS = ("source", "entity", "state", "compared_by", "n_source", "n_raw", "n_missing", "n_gone", "note")


def reconcile(
    source: Annotated[str, typer.Argument(help="A source's id, or crm, support, product; all by default.")] = "",
    entity: Annotated[list[str] | None, typer.Option("--entity", help="Only this one; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Compare the stored records with those of the sources, and fix differences."""
    from include.ingest import reconcile as reconciling

    ids = reconciling.sources_to_reconcile(source, entity or ())
    found = [report for each in ids for report in reconciling.run(each, entity or ())]
    rows = [asdict(report) for report in found]
    output.emit(rows, COLUMNS, as_json=as_json)
    bad = [report for report in found if report.state in ("held", "failed")]
    if bad:
        kind = ContractError if bad[0].state == "held" else Unavailable
        names = ", ".join(f"{report.source}.{report.entity} {report.state}" for report in bad)
        raise kind(f"these entities are not reconciled: {names}", cure=bad[0].note)
