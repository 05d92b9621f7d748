"""Grade the confidence in a score: how much is known, how old it is, and how similar renewals ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from include.common import formatting, texts
from include.common.texts import gettext, ngettext
from include.common.words import word
from include.scores import statistics
from include.scores.health.checkpoints import TABLE
from include.scores.health.learn import FEWEST_LOSSES
from include.scores.health.readings import Day
from include.scores.statistics import Interval
from include.warehouse.engine import has_table

# The least coverage, and the least number of settled renewals with a similar score, for a grade.
HIGH, MEDIUM = (0.85, 100), (0.7, 30)


@dataclass(frozen=True)
class Confidence:
    """The confidence shown next to a score.

    Args:
        grade: high, medium or low.
        low, high: The ten-point range of similar scores. The upper bound is exclusive below 100.
        n: Settled renewals with such a score 60 to 120 days before their decision.
        n_renewed: Similar renewals that were not lost.
        n_losses: All settled losses.
        oldest_days: Age in days of the oldest figure that still has weight; None if there is none.
        oldest: The measure with that figure.
    """

    grade: str
    low: int
    high: int
    n: int
    n_renewed: int
    n_losses: int
    oldest_days: int | None
    oldest: str

    @property
    def share(self) -> Interval | None:
        """Share of similar renewals that were renewed, with its Wilson interval."""
        return statistics.wilson(self.n_renewed, self.n) if self.n else None

    @property
    def sentences(self) -> tuple[str, ...]:
        sentences = [gettext("Confidence: {grade}.", grade=word(self.grade))]
        if self.oldest_days:
            sentences.append(
                ngettext(
                    "Its oldest figure is {n} day old: {measure}.",
                    "Its oldest figure is {n} days old: {measure}.",
                    self.oldest_days,
                    measure=texts.from_file(self.oldest),
                )
            )
        if self.share is None:
            sentences.append(gettext("No comparable renewal is settled yet."))
        else:
            share = self.share
            sentences.append(
                gettext(
                    "Of {n} comparable renewals (score {low} to {high}, 60 to 120 days before the decision), {renewed}"
                    " renewed: {share} ({from_share} to {to_share}).",
                    n=self.n,
                    low=self.low,
                    high=self.high,
                    renewed=self.n_renewed,
                    share=formatting.percent(share.share, 1),
                    from_share=formatting.decimal(share.low * 100, 1),
                    to_share=formatting.decimal(share.high * 100, 1),
                )
            )
        if self.n_losses < FEWEST_LOSSES:
            sentences.append(
                gettext(
                    "Not calibrated yet: {n} of the {fewest} losses needed are settled.",
                    n=self.n_losses,
                    fewest=FEWEST_LOSSES,
                )
            )
        return tuple(sentences)


def grade(coverage: float, n: int) -> str:
    """Return high, medium or low for a coverage and a number of settled renewals with a similar score."""
    for name, (least_coverage, least_n) in (("high", HIGH), ("medium", MEDIUM)):
        if coverage >= least_coverage and n >= least_n:
            return name
    return "low"


def read(connection: sa.Connection, found: Day, day: date) -> Confidence | None:
    """Return the confidence in a day's score, from renewals settled by that day; None without a score."""
    made = found.score
    if made.computed is None:
        return None
    low = min(int(made.computed // 10) * 10, 90)
    named = {"low": low, "high": low + 10 if low < 90 else 101, "day": day}
    is_built = has_table(connection, TABLE)
    n, n_renewed, n_losses = connection.execute(_ALIKE, named).one() if is_built else (0, 0, 0)
    ages = {
        measure.title: found.readings[measure.id].age
        for measure in found.profile.measures
        if made.parts[measure.id].weight * made.parts[measure.id].freshness > 0
    }
    oldest = max(ages, key=lambda title: ages[title], default="")
    return Confidence(grade(made.coverage, n), low, low + 10, n, n_renewed, n_losses, ages.get(oldest), oldest)


_ALIKE = sa.text(
    "select count(distinct renewal_id) filter (where is_alike),"
    " count(distinct renewal_id) filter (where is_alike and part <> 'lost'),"
    " count(distinct renewal_id) filter (where part = 'lost')"
    " from (select f.renewal_id, d.part,"
    "   f.days_before between 60 and 120 and f.computed >= :low and f.computed < :high as is_alike"
    "   from marts.health_checkpoint as f join marts.renewal_due as d on d.renewal_id = f.renewal_id"
    "   where d.part <> 'open' and d.settled_on <= :day and f.computed is not null) as s"
)
