"""Propose learned weights as a file for review. Nothing changes until a person puts the file into ``sql/health``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.config import files
from include.models.health import Profile
from include.scores.health import bands, checkpoints, learn, record
from include.scores.health.readings import readings_of_day
from include.scores.health.score import score
from include.warehouse.engine import engine

_ID = re.compile(r"^  - id: (\w+)")
_WEIGHT = re.compile(r"^    weight: [\d.]+")


@dataclass(frozen=True)
class Proposal:
    """Learned weights next to the current ones.

    Args:
        text: The proposed file.
        weights: Measure -> current and proposed weight.
        auc: Checkpoint -> current and proposed AUC.
        gain: Gain in AUC over all checkpoints, with its 95% interval.
        n_moved: Accounts whose band would change, without hysteresis.
        arr_moved: Their ARR.
    """

    profile: str
    text: str
    weights: Mapping[str, tuple[float, float]]
    auc: Mapping[int, tuple[float | None, float | None]]
    gain: tuple[float, float, float]
    n_losses: int
    ridge: float
    n_moved: int
    arr_moved: float


def propose(name: str, valid_from: date) -> Proposal:
    """Learn weights for a profile.

    Args:
        name: The profile; "" for the default profile, which scores all other accounts.
        valid_from: The first day that the proposed version would score.

    Raises:
        ConfigError: Fewer than 30 losses are settled.
    """
    from include.scores import statistics

    profile = record.profile_of(name)
    with engine("reader").connect() as connection:
        found = checkpoints.read(connection, profile, only=bool(name))
        configured = {measure.id: measure.weight for measure in profile.measures}
        months = checkpoints.months(found)
        best = learn.choose(found.rows, configured, months)
        weights = learn.limited(profile, best.weights)

        def make(seen: learn.Rows) -> learn.Fit | None:
            return learn.fit(seen, configured, best.ridge) if 0 < seen.is_lost.sum() < len(seen.is_lost) else None

        forward = learn.walk_forward(found.rows, make, months)
        judged = ~np.isnan(forward)
        inside, risk = found.where(judged), forward[judged]
        auc = {}
        for days in checkpoints.DAYS_BEFORE:
            at = inside.rows.checkpoint == days
            lost = inside.rows.is_lost[at].tolist()
            auc[days] = (
                statistics.auc((-inside.computed[at]).tolist(), lost),
                statistics.auc(risk[at].tolist(), lost),
            )
        gain = learn.interval(-inside.computed, risk, inside.rows)
        n_moved, arr_moved = _moved(connection, profile, weights)
    return Proposal(
        profile.key,
        _written(profile, weights, valid_from),
        {measure: (configured[measure], weights[measure]) for measure in configured},
        auc,
        gain,
        found.rows.n_losses,
        best.ridge,
        n_moved,
        arr_moved,
    )


def _moved(connection: sa.Connection, profile: Profile, weights: Mapping[str, float]) -> tuple[int, float]:
    """Return the number and ARR of accounts that the weights would move to another band."""
    measures = tuple(
        measure.model_copy(update={"weight": weights[measure.id]})
        for measure in profile.measures
        if weights[measure.id]
    )
    changed = profile.model_copy(update={"measures": measures})
    n, arr = 0, 0.0
    for account in readings_of_day(connection, profile):
        before, after = (score(each, account.readings, account.ceilings) for each in (profile, changed))
        if before.computed is None or after.computed is None:
            continue
        if bands.plain(profile.bands, float(before.computed)) != bands.plain(profile.bands, float(after.computed)):
            n, arr = n + 1, arr + account.arr
    return n, arr


def _written(profile: Profile, weights: Mapping[str, float], valid_from: date) -> str:
    """Return the profile's file with new weights, the next version and first day, and everything else unchanged."""
    lines, measure = [], ""
    for line in _file(profile).read_text(encoding="utf-8").splitlines():
        if found := _ID.match(line):
            measure = found[1]
        if line.startswith("version:"):
            line = f"version: {profile.version + 1}"
        elif line.startswith("valid_from:"):
            line = f"valid_from: {valid_from}"
        elif measure in weights and _WEIGHT.match(line):
            line = f"    weight: {weights[measure]:g}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _file(profile: Profile) -> Path:
    from include.config.documents import read

    for path in files.listing("sql", "health/*.yaml").values():
        data = read(path).data
        if (data.get("name"), data.get("version")) == (profile.name, profile.version):
            return path
    raise ConfigError(f"no file in sql/health/ defines {profile.key}", cure="restore it")
