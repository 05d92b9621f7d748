"""Check the CRM account properties that Perennial writes values to. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from include.config import Settings
from include.decide.risk import Band
from include.deliver.channels.crm_field import channel as crm_field
from include.models import value
from include.operations.connection_check.finding import Line, errors_as_lines


def check(connection_id: str, settings: Settings) -> Iterator[Line]:
    """Check the properties that channels.yaml names, for each CRM that the connection writes to."""
    channel = settings.channels.crm_field
    lines: list[Line] = []
    for source in settings.crms:
        fields = channel.fields.get(source.id)
        if not fields or channel.connections.get(source.id, source.id) != connection_id:
            continue
        with errors_as_lines(lines, connection_id, "fields"):
            lines.append(_compared(connection_id, crm_field.connect(settings, source.id), fields, _words(settings)))
    yield from lines


def _words(settings: Settings) -> dict[str, Sequence[str]]:
    """Return value -> its allowed words, for values that are one of a few words."""
    tiers = [settings.tiers.crm_name(tier.name) for tier in value.load().versions[-1].tiers]
    return {"risk_band": get_args(Band), "tier": tiers}


def _compared(
    connection_id: str, channel: crm_field.CrmFields, fields: Mapping[str, str], words: Mapping[str, Sequence[str]]
) -> Line:
    try:
        channel.check(sorted(fields))
        wrong = [
            f"{name} does not accept {' or '.join(lacking)}"
            for name, kept in fields.items()
            if (lacking := channel.unaccepted(name, words.get(kept, ())))
        ]
    finally:
        channel.close()
    if not wrong:
        return Line(connection_id, "fields", "ok", ", ".join(fields))
    fix = "add these options to the property in the CRM, with exactly these internal names"
    return Line(connection_id, "fields", "failed", "; ".join(wrong), fix, exit_status=2)
