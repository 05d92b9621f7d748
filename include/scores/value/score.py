"""Compute the customer value score of one account, with the lines that add up to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from include.models import value
from include.models.value import Dimension, Version
from include.scores import rounding

_EXACT = 1e-9


@dataclass(frozen=True)
class Reading:
    """One dimension's input.

    Args:
        figures: A number or word for each of its parts; None if unknown.
        is_capped: Whether the condition of its cap holds.
        is_left_out: Whether it does not apply to the account, or no connected source provides it.
    """

    figures: Sequence[float | str | None] = ()
    is_capped: bool = False
    is_left_out: bool = False


@dataclass(frozen=True)
class Line:
    """One dimension's part of a score.

    Args:
        score: 0 to 100; None if unknown.
        weight: Its weight; 0 if it is left out.
        points: Points that it adds; None if it is unknown or left out.
    """

    dimension: Dimension
    score: float | None
    weight: float
    points: Decimal | None


@dataclass(frozen=True)
class Score:
    """A score with its lines.

    Args:
        number: The weighted mean of the known dimensions, 0 to 100, rounded to two decimals; None if none is known.
        lines: Dimension -> its line, in the order of the definition; their points add up to ``number``.
        coverage: Share of the weight that is known.
        is_covered: Whether enough is known to propose a change of tier.
    """

    version: Version
    number: Decimal | None
    lines: dict[str, Line]
    coverage: float
    is_covered: bool


def of_figure(part: value.Part, figure: float | str | None) -> float | None:
    """Return the score of one figure: interpolated between points, or looked up for a word; None if unknown."""
    if figure is None:
        return None
    if part.scores:
        return part.scores.get(str(figure))
    values, scores = zip(*part.points, strict=True)
    return float(np.interp(float(figure), values, scores))


def of_dimension(dimension: Dimension, reading: Reading) -> float | None:
    """Return a dimension's score, the mean of its parts weighted by their shares; None if one of them is unknown."""
    figures = reading.figures or [None] * len(dimension.parts)
    found = [of_figure(part, figure) for part, figure in zip(dimension.parts, figures, strict=True)]
    known = [score for score in found if score is not None]
    if len(known) < len(found):
        return None
    mean = sum(part.share * score for part, score in zip(dimension.parts, known, strict=True))
    return min(mean, dimension.cap.at_most) if dimension.cap and reading.is_capped else mean


def score(version: Version, readings: Mapping[str, Reading]) -> Score:
    """Compute a score.

    Args:
        version: Its definition.
        readings: Dimension -> its input; a dimension without one is unknown.
    """
    weights: dict[str, float] = {}
    scores: dict[str, float | None] = {}
    for each in version.dimensions:
        reading = readings.get(each.id, Reading())
        weights[each.id] = 0.0 if reading.is_left_out else each.weight
        scores[each.id] = of_dimension(each, reading)
    known = {name: found for name, found in scores.items() if found is not None and weights[name]}
    known_weight, listed = sum(weights[name] for name in known), sum(weights.values())
    number: Decimal | None = None
    points: dict[str, Decimal] = {}
    if known:
        exact = {name: weights[name] * found / known_weight for name, found in known.items()}
        number = rounding.cents(sum(weights[name] * found for name, found in known.items()) / known_weight)
        points = rounding.to_sum(exact, number)
    lines = {each.id: Line(each, scores[each.id], weights[each.id], points.get(each.id)) for each in version.dimensions}
    is_covered = bool(known) and known_weight >= version.floor * listed - _EXACT
    return Score(version, number, lines, known_weight / listed if listed else 0.0, is_covered)
