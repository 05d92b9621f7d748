"""Read the reports in force: the shipped ones, overlaid by ``$PERENNIAL_CONFIG_DIR/reports``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import Field, model_validator

from include import config
from include.charts.draw import AMOUNTS, CHARTS
from include.common.errors import ConfigError
from include.config import files, own_texts
from include.config.documents import Document, Strict, read, validate
from include.config.fields import Language
from include.config.models import People
from include.models import metrics
from include.reports.mask import VIEWERS, Audience
from include.reports.periods import UNIT, Cadence
from include.reports.tables import TABLES


class SectionSpec(Strict):
    """One section.

    Args:
        text: Text above it.
        metrics: Metrics by id, shown with their target and previous value.
        charts: Charts of ``ops.chart`` by name.
        table: A table by name; not together with metrics.
    """

    title: Annotated[str, Field(min_length=1)]
    text: str = ""
    metrics: tuple[str, ...] = ()
    charts: tuple[str, ...] = ()
    table: str = ""

    @model_validator(mode="after")
    def _shows_something(self) -> SectionSpec:
        if not (self.text or self.metrics or self.charts or self.table):
            raise ValueError("a section needs text, metrics, charts or a table")
        if self.metrics and self.table:
            raise ValueError("a section has metrics or a table, not both")
        return self


class Report(Strict):
    """The content of a report file.

    Args:
        wait_days: Days between the period's end and the report, so that late data is included.
        regions: Only accounts of these regions, as named in the CRM; empty for all.
        language: The report's language; empty for the default one.
        languages: Language -> the file's texts in it, in the form of the file. Others come from the catalogue.
        recipients: E-mail addresses, teams of ``people.yaml``, or ``queue``, ``head``, ``leads`` for all leads.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    audience: Audience
    cadence: Cadence
    wait_days: Annotated[int, Field(ge=0, le=20)] = 0
    regions: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    language: Language = ""
    languages: dict[Language, dict[str, Any]] = Field(default={}, exclude=True)
    sections: Annotated[tuple[SectionSpec, ...], Field(min_length=1)]

    @property
    def hash(self) -> str:
        """A short hash of the definition, without recipients and ``wait_days``."""
        content = self.model_dump(mode="json", exclude={"recipients", "wait_days"})
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def load() -> dict[str, Report]:
    """Return the reports in force by name, without those that set ``disabled: true``.

    Raises:
        ConfigError: A file is invalid; names file, line and key.
    """
    people = config.load().people
    with files.checked_once():
        found = {Path(name).stem: read(path) for name, path in files.listing("reports", "*.yaml").items()}
        return {name: _check(document, people) for name, document in found.items() if not document.is_disabled}


def get(name: str) -> Report:
    """Return one report.

    Raises:
        ConfigError: There is no report of that name.
    """
    known = load()
    if name not in known:
        raise ConfigError(f"unknown report {name}", cure=f"reports: {', '.join(known)}")
    return known[name]


def addresses(report: Report, people: People) -> list[str]:
    """Return the distinct e-mail addresses of a report's recipients."""
    found: dict[str, str] = {}
    for named in report.recipients:
        for address in _addresses(named, people) or ():
            found.setdefault(address.lower(), address)
    return list(found.values())


def _addresses(named: str, people: People) -> list[str] | None:
    """Return the addresses of a recipient, or None if the name is unknown."""
    if "@" in named:
        return [named]
    if named == "leads":
        return [lead.email for lead in people.team_leads.values()]
    if named in ("queue", "head"):
        person = people.queue if named == "queue" else people.head
        return [person.email] if person else []
    return [people.team_leads[named].email] if named in people.team_leads else None


def _check(document: Document, people: People) -> Report:
    report = validate(document, Report)
    if report.name != document.path.stem:
        raise document.error(("name",), f"is {report.name!r}, but the file is called {document.path.name}")
    for number, named in enumerate(report.recipients):
        if _addresses(named, people) is None:
            known = ", ".join(("queue", "head", "leads", *people.team_leads))
            raise document.error(
                ("recipients", number), f"unknown recipient {named}", cure=f"write an e-mail address or one of {known}"
            )
    for _ in own_texts.pairs(document):
        pass  # each pair is checked as it is found
    for number, section in enumerate(report.sections):
        _check_section(document, ("sections", number), report, section)
    return report


def _check_section(document: Document, place: tuple[str | int, ...], report: Report, section: SectionSpec) -> None:
    viewer, known = VIEWERS[report.audience], metrics.load()
    for number, metric_id in enumerate(section.metrics):
        metric = known.get(metric_id)
        here = (*place, "metrics", number)
        if metric is None:
            raise document.error(here, f"unknown metric {metric_id}", cure="`python -m include.cli metrics` lists them")
        if metric.entry.unit == "currency" and not viewer.sees_amounts:
            raise document.error(here, f"{metric_id} is an amount, which {report.audience} may not see")
        if UNIT[report.cadence] not in metric.periods:
            raise document.error(here, f"{metric_id} is not computed by {UNIT[report.cadence]}")
        if report.regions and "region" not in metric.grains:
            raise document.error(here, f"{metric_id} is not computed by region")
    for number, chart in enumerate(section.charts):
        here = (*place, "charts", number)
        if chart not in CHARTS:
            raise document.error(here, f"unknown chart {chart}", cure=f"known: {', '.join(CHARTS)}")
        if report.regions:
            raise document.error(here, "charts cover all accounts, but this report is limited to regions")
        if chart in AMOUNTS and not viewer.sees_amounts:
            raise document.error(here, f"{chart} shows amounts, which {report.audience} may not see")
    if section.table:
        here = (*place, "table")
        if section.table not in TABLES:
            raise document.error(here, f"unknown table {section.table}", cure=f"known: {', '.join(TABLES)}")
        if report.regions and not TABLES[section.table].by_region:
            raise document.error(here, f"{section.table} covers all accounts, but this report is limited to regions")
