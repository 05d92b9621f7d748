"""Pool the checkpoints of several worlds, and measure what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from include.scores.forecast import past
from include.scores.forecast.past import Frozen
from include.scores.forecast.totals import Past
from include.scores.health import learn
from include.scores.health.checkpoints import Checkpoints

# A reader of symptoms learns of each this long after it began: most figures cover 28 days.
LATE = timedelta(days=14)
_ROWS = ("losses", "checkpoint", "is_lost", "family", "renewal", "settled_on", "decided_on")
_COLUMNS = ("sub_scores", "computed", "band", "coverage", "target", "probability", "tier")


def reader(truth: Mapping[str, Any] | None, as_of: date) -> float:
    """Return 1 if an account shows a symptom of leaving that began at least two weeks before, else 0."""
    return float(any(start + LATE <= as_of < until for _, start, until in truth["symptoms"])) if truth else 0.0


def packed(found: Checkpoints) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a world's checkpoints by name."""
    rows = {name: getattr(found.rows, name) for name in _ROWS}
    return {**rows, **{name: getattr(found, name) for name in _COLUMNS}, "measures": np.array(found.rows.measures)}


def pooled(files: Sequence[Path], n_open: int) -> tuple[Checkpoints, npt.NDArray[np.float64]]:
    """Return the checkpoints of several worlds as those of one, and the risk seen by the reader of symptoms."""
    parts = []
    for path in files:
        with np.load(path) as stored:
            parts.append({name: stored[name] for name in stored.files})
        for name in ("family", "renewal"):
            parts[-1][name] = np.char.add(f"{path.stem} ", parts[-1][name])

    def joined(name: str) -> Any:
        return np.concatenate([part[name] for part in parts])

    rows = learn.Rows(tuple(parts[0]["measures"].tolist()), *(joined(name) for name in _ROWS))
    sub_scores, computed, band, coverage, target, probability, tier = (joined(name) for name in _COLUMNS)
    both = Checkpoints(rows, sub_scores, computed, band, coverage, target, probability, n_open, tier)
    return both, joined("reader")


def quarters(frozen: Sequence[Mapping[str, Any]]) -> list[Past]:
    """Return the quarters of a world, forecast as they began, with what came."""
    rows = [Frozen(**{**row, "quarter_start": date.fromisoformat(row["quarter_start"])}) for row in frozen]
    return past.quarters(rows)
