"""Write the sentences that explain a health score, in the reader's language."""

from __future__ import annotations

from datetime import date

from include.common import formatting, texts
from include.common.texts import N_, gettext
from include.common.words import word
from include.config import templates
from include.models import health
from include.models.health import Measure
from include.scores import wording
from include.scores.health.readings import Day


def evidence(found: Day, measure: Measure) -> str:
    """Return the figure of a measure on a day."""
    reading = found.readings.get(measure.id)
    if reading is None or reading.value is None:
        return gettext("not known")
    values = {**found.values, health.VALUE: found.values[f"x_{measure.id}"]}
    text = templates.line(texts.from_file(measure.evidence), values)
    if found.peers_of is None or (found.profile.key, measure.id) not in health.load().peers:
        return text
    return gettext(
        "{evidence}; {value} of 100 among its peers of {month}",
        evidence=text,
        value=formatting.number(reading.value),
        month=formatting.month(found.peers_of),
    )


def ceilings(found: Day) -> str:
    """Return why the ceilings of a day apply."""
    active = [each for each in found.profile.ceilings if each.id in found.ceilings]
    return gettext("; ").join(templates.line(texts.from_file(each.evidence), found.values) for each in active)


def of_score(found: Day, band: str, since: date | None, last: str | None, unknown_reason: str) -> list[str]:
    """Return the sentences on a score, what it is first.

    Args:
        since: The day since which it is in the band.
        last: The last known band.
        unknown_reason: The stored code of why the band is unknown; "" if it is known.
    """
    made = found.score
    shown = "-" if made.shown is None else formatting.decimal(made.shown, 2)
    lines = [gettext("Health {score}, {band}.", score=shown, band=word(band))]
    if since and band == last:
        lines = [
            gettext("Health {score}, {band} since {day}.", score=shown, band=word(band), day=formatting.day(since))
        ]
    computed = formatting.decimal(made.computed, 2) if made.computed is not None else "-"
    if made.override is not None:
        override = formatting.decimal(made.override, 2)
        lines.append(
            gettext(
                "A lead set the score to {score}; the computed score is {computed}.", score=override, computed=computed
            )
        )
    if found.override_band:
        own = "unknown" if unknown_reason else last or "unknown"
        lines.append(gettext("A lead set the band; the computed band is {band}.", band=word(own)))
    if unknown_reason:
        lines.append(gettext("The band is unknown: {reason}.", reason=_why_unknown(unknown_reason)))
        if last:
            lines[-1] += texts.space() + gettext("The last known band is {band}.", band=word(last))
    if made.number is not None:
        total = formatting.decimal(made.number, 2)
        lines.append(gettext("The points add up to {score}; points and lost points together are 100.", score=total))
        if made.computed != made.number:
            why = gettext("A ceiling limits it to {score}: {reasons}.", score=computed, reasons=ceilings(found))
            lines[-1] += texts.space() + why
    missing = [
        texts.from_file(part.measure.title) for part in made.parts.values() if part.weight and not part.freshness
    ]
    lines.append(wording.coverage(made.coverage, missing))
    if left_out := found.profile.total_weight - sum(part.weight for part in made.parts.values()):
        lines.append(
            gettext(
                "Measures with a weight of {weight} of {total} do not apply to this account or have no source.",
                weight=f"{left_out:g}",
                total=f"{found.profile.total_weight:g}",
            )
        )
    return lines


def kind(code: str) -> str:
    """Return the kind of a cause of a change in words."""
    return gettext(_KINDS.get(code, code))


def _why_unknown(reason: str) -> str:
    """Return why a band is unknown, in the reader's language."""
    code, _, group = reason.partition(":")
    if group:
        return gettext("not enough data on {group}", group=gettext(_GROUPS.get(group, group)))
    return gettext(_UNKNOWN.get(code, code))


_GROUPS = {
    "usage": N_("usage"),
    "support": N_("support"),
    "relationship": N_("relationship"),
    "sentiment": N_("sentiment"),
    "commercial": N_("commercial"),
    "outcome": N_("outcome"),
}
_UNKNOWN = {
    "no_data": N_("no data"),
    "paused": N_("paused"),
    "little_data": N_("not enough data"),
    "one_group": N_("one group exceeds its maximum weight"),
}
_KINDS = {
    "value": N_("value"),
    "aged": N_("aged"),
    "lost": N_("no longer known"),
    "back": N_("known again"),
    "merge": N_("merge"),
    "restated": N_("restated"),
    "definition": N_("definition"),
    "peers": N_("peers"),
    "ceiling": N_("ceiling"),
    "override": N_("override"),
    "band": N_("band"),
}
