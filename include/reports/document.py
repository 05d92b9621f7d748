"""Build a report's content from figures, store it as JSON, and render the same content as page, mail or PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.charts import draw
from include.charts.draw import Drawn
from include.common import formatting, texts
from include.common.texts import gettext, ngettext
from include.config import Settings
from include.config.own_texts import translated
from include.gate import verdicts as gate
from include.outbox.message import Evidence, Fact, Link, Message
from include.reports import figures, mask
from include.reports.page import Section, render
from include.reports.periods import Period
from include.reports.spec import Report, SectionSpec
from include.reports.tables import TABLES, Scope

Document = dict[str, Any]
# The parts of a section that readers see. If one of them changes, a new edition is made.
_SHOWN = ("title", "text", "columns", "rows", "note", "charts")
_FACTS, _LINES = 12, 5


def make(report: Report, period: Period, scope: Scope, earlier: Document | None, before: Document | None) -> Document:
    """Return the content of a report.

    Args:
        earlier: The previous edition of the same period. Tables and charts of the newest day are copied from it, not
            read again.
        before: The last edition of the previous period.
    """
    copied = earlier["sections"] if earlier and earlier["spec"] == report.hash else []
    states = {one.source: one for one in gate.verdicts() if not one.entity and one.state != "green"}
    made: Document = {
        "report": report.name, "language": texts.language(), "title": translated(report.title),
        "audience": report.audience, "period": period.name,
        "label": period.label, "newest": scope.newest.isoformat(), "spec": report.hash,
        "edition": earlier["edition"] + 1 if earlier else 1,
        "currency": scope.settings.currency if mask.VIEWERS[report.audience].sees_amounts else "",
        "sections": [], "values": {}, "marks": {}, "held": {}, "missed": {},
    }  # fmt: skip
    shown = {
        **_values_of(before, gettext("the report of {period}", period=period.before.name)),
        **_values_of(earlier, ""),
    }
    for number, spec in enumerate(report.sections):
        section, found = _section(report, spec, scope, copied[number] if copied else None)
        made["sections"].append(section)
        place = str(number)
        if found:
            made["values"] |= found.values
            made["missed"][place] = found.missed
            marks = figures.restated(found, shown)
            made["marks"][place] = {str(row): mark for row, mark in marks.items()}
        if held := [_held(one) for one in states.values() if one.kind in _kinds(spec)]:
            made["held"][place] = " ".join(held)
    return made


def is_same(one: Document, other: Document) -> bool:
    """Return whether two editions show the same content."""
    parts = [[{name: section[name] for name in _SHOWN} for section in each["sections"]] for each in (one, other)]
    return bool(parts[0] == parts[1])


def sections(content: Document) -> list[Section]:
    """Return the sections of a report's page."""
    found = []
    for number, section in enumerate(content["sections"]):
        place = str(number)
        marks = content["marks"].get(place) or {}
        columns, rows = list(section["columns"]), [list(row) for row in section["rows"]]
        if marks:
            columns.append(gettext("restated"))
            rows = [[*row, marks.get(str(at), "")] for at, row in enumerate(rows)]
        parts = (section["text"], content["held"].get(place, ""), section["note"], section["lacks"])
        charts = "".join(Drawn(**chart).figure for chart in section["charts"])
        text = " ".join(part for part in parts if part)
        found.append(Section(section["title"], columns, rows, section["numbers"], text, charts))
    return found


def title(content: Document) -> str:
    """Return the title of an edition."""
    edition = content["edition"]
    if edition > 1:
        return gettext(
            "{title}: {period}, corrected edition {edition}",
            title=content["title"],
            period=content["label"],
            edition=edition,
        )
    return gettext("{title}: {period}", title=content["title"], period=content["label"])


def html(content: Document) -> str:
    """Return the report as one self-contained page."""
    with reading(content):
        subtitle = gettext(
            "Edition {edition}, with figures up to {day}.", edition=content["edition"], day=_day(content["newest"])
        )
        subtitle = (subtitle + texts.space() + _amounts(content)).strip()
        shown = sections(content)
        if texts.is_incomplete():
            subtitle += texts.space() + texts.incomplete_note()
        return render(title(content), subtitle, shown)


def reading(content: Document) -> AbstractContextManager[None]:
    """Write in the report's language. Editions of earlier versions are English."""
    return texts.reading(content.get("language", ""))


def _day(iso: str) -> str:
    return formatting.day(date.fromisoformat(iso))


def message(content: Document, report_id: int, sha256: str, settings: Settings) -> Message:
    """Return the mail: first metrics, missed targets, restated, held and missing figures, and a link to the page."""
    with reading(content):
        return _message(content, report_id, sha256, settings)


def _message(content: Document, report_id: int, sha256: str, settings: Settings) -> Message:
    facts, evidence = [], []
    for number, (section, shown) in enumerate(zip(content["sections"], sections(content), strict=True)):
        place, name = str(number), section["title"]
        if section["numbers"] and section["columns"] == figures.columns():
            facts += [Fact(label=row[0], value=_against(row)) for row in section["rows"]]
            evidence += [
                Evidence(
                    text=gettext("{metric}: {value}, target {target}", metric=row[0], value=row[1], target=row[2]),
                    source=gettext("n {n}, as of {day}", n=row[4], day=row[5]),
                    level="risk",
                )
                for row in (section["rows"][at] for at in content["missed"].get(place, ()))
            ]
            restated = content["marks"].get(place) or {}
            evidence += [
                Evidence(text=gettext("Restated: {metric}", metric=section["rows"][int(at)][0]), source=mark)
                for at, mark in restated.items()
            ]
        elif section["rows"]:
            for row in section["rows"][:_LINES]:
                cells = "; ".join(f"{column} {cell}" for column, cell in zip(shown.columns, row, strict=True))
                evidence.append(Evidence(text=f"{name}: {cells}"))
        missing = "" if section["is_available"] else section["note"]
        unknown = (missing, section["lacks"], content["held"].get(place))
        evidence += [Evidence(text=f"{name}: {text}", level="unknown") for text in unknown if text]
    figures_up_to = gettext("Figures up to {day}.", day=_day(content["newest"]))
    n_missed = sum(len(rows) for rows in content["missed"].values())
    template = settings.channels.links.report
    links = (Link(label=gettext("Open the report"), url=template.replace("{id}", str(report_id))),) if template else ()
    return Message(
        subject=title(content),
        summary=texts.space().join(
            filter(None, (_missed(n_missed, content["label"]), figures_up_to, _amounts(content)))
        ),
        facts=tuple(dict.fromkeys(facts))[:_FACTS],
        evidence=tuple(dict.fromkeys(evidence)),
        links=links,
        footer=f"python -m include.cli report show {report_id} --html FILE; sha256 {sha256}",
    )


def _section(
    report: Report, spec: SectionSpec, scope: Scope, copied: Mapping[str, Any] | None
) -> tuple[dict[str, Any], figures.Figures | None]:
    viewer = mask.VIEWERS[report.audience]
    made: dict[str, Any] = {
        "title": translated(spec.title), "text": translated(spec.text),
        "columns": [], "rows": [], "numbers": [], "note": "",
        "charts": _charts(scope.connection, spec, copied), "is_available": True,
        "lacks": "",
    }  # fmt: skip
    if spec.charts and not made["charts"]:
        made["lacks"] = gettext("Not available: the chart has no figures yet.")
    found = None
    if spec.metrics:
        found = figures.read(scope, spec.metrics, report.cadence, report.regions, viewer.sees_people)
        note = mask.why_withheld() if found.is_withheld else ""
        made |= {"columns": figures.columns(), "rows": found.rows, "numbers": list(figures.NUMBERS), "note": note}
    elif spec.table and copied and copied["is_available"]:
        made |= {name: copied[name] for name in ("columns", "rows", "numbers", "note")}
    elif spec.table:
        made |= _table(spec.table, scope, viewer)
    return made, found


def _table(name: str, scope: Scope, viewer: mask.Viewer) -> dict[str, Any]:
    table = TABLES[name]
    found = table.make(scope)
    if isinstance(found, str):
        return {"note": gettext("Not available: {reason}.", reason=found), "is_available": False}
    rows, is_withheld = mask.rows(table.columns, found.rows, viewer, found.sizes)
    shown = mask.visible(table.columns, viewer)
    as_of = formatting.day(found.as_of or scope.newest)
    # A total number of accounts would reveal the withheld ones.
    parts = (
        found.text,
        gettext("As of {day}.", day=as_of) if is_withheld else gettext("As of {day}, n {n}.", day=as_of, n=found.n),
        mask.why_withheld() if is_withheld else "",
    )
    return {
        "columns": [gettext(table.columns[place].name) for place in shown],
        "rows": rows,
        "numbers": [at for at, place in enumerate(shown) if table.columns[place].kind in ("amount", "number", "share")],
        "note": " ".join(part for part in parts if part),
    }


def _charts(connection: sa.Connection, spec: SectionSpec, copied: Mapping[str, Any] | None) -> list[dict[str, str]]:
    if copied and copied["charts"]:
        return list(copied["charts"])
    return [asdict(chart) for chart in draw.drawn(connection, *spec.charts)] if spec.charts else []


def _kinds(spec: SectionSpec) -> set[str]:
    found = figures.kinds(spec.metrics) | (TABLES[spec.table].kinds if spec.table else set())
    return found | ({"crm"} if set(spec.charts) & draw.AMOUNTS else set())


def _held(one: gate.Verdict) -> str:
    since = f"{one.since:%Y-%m-%d %H:%M} UTC" if one.since else gettext("its first read")
    if one.state == "stale":
        return gettext("{source}: late since {time}.", source=one.source, time=since)
    return gettext("{source}: held since {time}.", source=one.source, time=since)


def _values_of(content: Document | None, where: str) -> dict[str, tuple[float, str]]:
    if content is None:
        return {}
    where = where or gettext("edition {edition}", edition=content["edition"])
    return {key: (value, where) for key, value in content["values"].items()}


def _amounts(content: Document) -> str:
    return gettext("Amounts in {currency}.", currency=content["currency"]) if content["currency"] else ""


def _against(row: Sequence[str]) -> str:
    if row[2] == "-":
        return row[1]
    return gettext("{value} (target {target})", value=row[1], target=row[2])


def _missed(n: int, period: str) -> str:
    if not n:
        return gettext("No metric missed its target in {period}.", period=period)
    return ngettext(
        "{n} metric missed its target in {period}.", "{n} metrics missed their target in {period}.", n, period=period
    )
