"""Write a proposal as a mapping file, each line with its evidence."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from include.common.text import one_line
from include.entities.catalog import ENTITIES
from include.operations.mapping_proposal import shipped
from include.operations.mapping_proposal.choose import Decision
from include.operations.mapping_proposal.propose import Proposal
from include.operations.mapping_proposal.reading import ENTITIES_READ

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"}
_STORAGE = "# Where contracts are kept"
_RECORDS = {
    "account": "companies", "contact": "contacts", "owner": "owners", "opportunity": "deals",
    "contract_line": "line items",
}  # fmt: skip
# Marker in the shipped file: from here on it is copied unchanged.
_REST = "\n  activity:"


def mapping_file(proposal: Proposal, connection: str) -> str:
    """Return the text of the mapping file."""
    lines = [*_head(proposal, connection), "", "entities:"]
    for entity in ENTITIES_READ:
        lines += _entity(proposal, entity)
    return "\n".join([*lines, ""]).rstrip() + "\n" + shipped.rest_of(proposal.portal.vendor, _REST)


def summary(proposal: Proposal) -> str:
    """Return the summary for a person: where contracts are kept, totals, questions, and missing columns."""
    head = _head(proposal, "")
    return "\n".join(line.removeprefix("# ").removeprefix("#") for line in head[head.index(_STORAGE) :])


def _head(proposal: Proposal, connection: str) -> list[str]:
    portal = proposal.portal
    n_rows = ", ".join(f"{_RECORDS[entity]} {n:,}" for entity, n in portal.n_rows().items() if n)
    made = (
        f"Proposed by `connect propose {connection}` on {portal.today} from the schema and a sample ({n_rows}). high:"
        " no contrary evidence; medium: please check. Unsure columns are comments with a question: remove the # to"
        " accept one."
    )
    lines = [*_comment(made), "#", _STORAGE]
    for place in sorted(proposal.storage, key=lambda one: not one.is_used):
        lines += _comment(f"{'yes' if place.is_used else 'no '} {place.letter} {place.name}: {place.evidence}", "# - ")
    for pipeline in proposal.pipelines:
        why = f"{one_line(pipeline.label)}; {pipeline.confidence}: {pipeline.evidence}"
        lines += _comment(f"renewals.yaml: renewal_pipelines: [{scalar(pipeline.id)}] ({why})")
    unsure = [one for one in proposal.decisions if one.confidence == "unsure" and not one.column.startswith("~")]
    if unsure:
        lines += ["#", "# Open questions"]
        for one in unsure:
            lines += _comment(f"{one.entity}.{one.column}: {_question(one)}", "# - ")
    if proposal.missing:
        lines += ["#", "# Missing columns, and the consequence"]
        for name, cost in proposal.missing.items():
            lines += _comment(f"{name}: {cost}", "# - ")
    for reason in portal.unread:
        lines += _comment(f"not read: {one_line(reason)}")
    return lines


def _question(one: Decision) -> str:
    what = f"{one.property}: " if one.property and one.property not in one.question else ""
    return one_line(f"{what}{one.question}")


def _entity(proposal: Proposal, entity: str) -> Iterator[str]:
    decided = [one for one in proposal.decisions if one.entity == entity and not one.column.startswith("~")]
    order = {column: number for number, column in enumerate(ENTITIES[entity].column_names)}
    decided.sort(key=lambda one: order[one.column])
    if not any(one.confidence != "unsure" for one in decided):
        for one in decided:
            yield from _comment(f"{entity}.{one.column}? {_question(one)}", "  # ")
        return
    yield f"  {entity}:"
    if entity in proposal.portal.objects:
        yield f"    object: {proposal.portal.objects[entity]}"
    yield "    columns:"
    for one in decided:
        if one.confidence == "unsure":
            yield from _comment(f"? {_question(one)}", "      # ")
            yield f"      # {one.column}: {_rule(one)}"
        elif one.confidence == "high" and one.evidence.startswith("the vendor's own"):
            yield f"      {one.column}: {_rule(one)} # {one.evidence}"
        else:
            yield from _comment(f"{one.confidence}: {one.evidence}", "      # ")
            yield f"      {one.column}: {_rule(one)}"
    if refresh := _refresh(proposal, entity):
        yield f"    refresh: [{', '.join(refresh)}]"
    yield ""


def _refresh(proposal: Proposal, entity: str) -> list[str]:
    """Return the mapped fields that can change without a new modification time, from the shipped file."""
    named = shipped.columns_of(proposal.portal.vendor).get(entity)
    used = {one.property for one in proposal.decisions if one.entity == entity and one.confidence != "unsure"}
    return [name for name in named.refresh if name in used] if named else []


def _rule(one: Decision) -> str:
    if one.property and not one.rule:
        return scalar(one.property)
    parts = {"property": one.property, **one.rule} if one.property else dict(one.rule)
    return _flow(parts)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else scalar(str(value))


def scalar(text: str) -> str:
    """Return a text as a YAML scalar, quoted if it would otherwise mean something else."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str, start: str = "# ") -> list[str]:
    blank = re.sub(r"[^#\s]", " ", start)
    return textwrap.wrap(
        one_line(text), _WIDTH, initial_indent=start, subsequent_indent=blank, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
