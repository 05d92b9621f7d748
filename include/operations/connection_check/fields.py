"""Looks at the properties of the CRM's accounts in which values are kept; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from include.config import Settings
from include.decide.risk import Band
from include.deliver.channels.crm_field import channel as crm_field
from include.operations.connection_check.finding import Line, noting

# Value -> all that it can be, where that is a few words.
_WORDS = {"risk_band": get_args(Band)}


def look(connection_id: str, settings: Settings) -> Iterator[Line]:
    """Yield a line on the properties that channels.yaml names for accounts of the CRMs that a connection leads into."""
    channel = settings.channels.crm_field
    lines: list[Line] = []
    for source in settings.of_kind("crm"):
        fields = channel.fields.get(source.id)
        if not fields or channel.connections.get(source.id, source.id) != connection_id:
            continue
        with noting(lines, connection_id, "fields"):
            lines.append(_compared(connection_id, crm_field.connect(settings, source.id), fields))
    yield from lines


def _compared(connection_id: str, channel: crm_field.CrmFields, fields: Mapping[str, str]) -> Line:
    try:
        channel.check(sorted(fields))
        wrong = [
            f"{name} takes no {' and no '.join(lacking)}"
            for name, value in fields.items()
            if (lacking := channel.not_taken(name, _WORDS.get(value, ())))
        ]
    finally:
        channel.close()
    if not wrong:
        return Line(connection_id, "fields", "ok", ", ".join(fields))
    fix = "add these options to the property in the CRM, each with just this internal name: it refuses others"
    return Line(connection_id, "fields", "failed", "; ".join(wrong), fix, exit_status=2)
