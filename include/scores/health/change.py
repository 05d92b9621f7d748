"""Explain why a score changed, in lines that add up exactly to the change and do not depend on the order of causes.

A measure's line is its Shapley value over the measures that changed: its mean effect over all orders in which the
changes could have come (Shapley 1953). With more than ten changes, groups are attributed first and then the measures
within each group (Owen 1977). That is faster and adds up just as exactly. A measure that did not change gets 0.00.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from math import factorial
from typing import Literal

import numpy as np
import numpy.typing as npt

from include.scores import rounding
from include.scores.health.score import Numbers, Part, Score, capped

# Up to this many changes, all 2^n combinations are computed.
AT_ONCE = 10
Kind = Literal["value", "aged", "lost", "back", "merge", "restated", "definition", "peers", "ceiling", "override"]
Choices = npt.NDArray[np.int64]
Worth = Callable[[Choices], Numbers]


@dataclass(frozen=True)
class Line:
    """One cause of a change.

    Args:
        id: The measure, or ``merge``, ``restated``, ``definition``, ``peers``, ``ceiling``, ``override``.
        kind: For measures, ``value``: the value changed; ``aged``: its freshness changed; ``lost``, ``back``: the value
            became unknown, or known again.
        change: In points of the score.
    """

    id: str
    kind: Kind
    change: Decimal


def explain(before: Score, after: Score, steps: Sequence[tuple[Kind, Score]] = ()) -> list[Line]:
    """Return the causes of a change of the shown score, largest first.

    Args:
        before: The earlier score.
        after: The later score.
        steps: The earlier day as it is known now, then under the later definition, then also with the later month's
            peers, where they differ.

    Raises:
        ValueError: One of the scores has no number, or the definitions differ and their step is missing.
    """
    lines: list[Line] = []
    start = before
    for kind, score in steps:
        if start.number is None or score.number is None:
            raise ValueError("one of the two days has no score")
        lines.append(Line(kind, kind, score.number - start.number))
        start = score
    if start.profile != after.profile:
        raise ValueError("the definitions differ: steps must hold the earlier score under the later definition")
    if start.number is None or after.number is None:
        raise ValueError("one of the two days has no score")
    lines += _of_measures(start, after)
    lines.append(Line("ceiling", "ceiling", _limited(after) - _limited(before)))
    lines.append(Line("override", "override", _overridden(after) - _overridden(before)))
    return sorted((line for line in lines if line.change or line.kind in ("aged", "lost", "back")), key=_by_size)


def _by_size(line: Line) -> tuple[Decimal, str]:
    return -abs(line.change), line.id


def _limited(score: Score) -> Decimal:
    assert score.number is not None and score.computed is not None
    return score.computed - score.number


def _overridden(score: Score) -> Decimal:
    assert score.shown is not None and score.computed is not None
    return score.shown - score.computed


def _of_measures(before: Score, after: Score) -> list[Line]:
    old, new = list(before.parts.values()), list(after.parts.values())
    changed = [number for number, (one, two) in enumerate(zip(old, new, strict=True)) if _differs(one, two)]
    if not changed:
        return []
    worth = _worth(before, after, changed)
    if len(changed) <= AT_ONCE:
        effects = _shapley(worth, len(changed))
    else:
        groups: dict[str, list[int]] = {}
        for position, number in enumerate(changed):
            groups.setdefault(old[number].measure.group, []).append(position)
        effects = _owen(worth, len(changed), list(groups.values()))
    assert before.number is not None and after.number is not None
    names = [old[number].measure.id for number in changed]
    rounded = rounding.to_sum(dict(zip(names, effects, strict=True)), after.number - before.number)
    kinds = {old[number].measure.id: _kind(old[number], new[number]) for number in changed}
    return [Line(name, kinds[name], rounded[name]) for name in names]


def _weight(part: Part) -> float:
    return part.weight * part.freshness


def _differs(one: Part, two: Part) -> bool:
    return _weight(one) != _weight(two) or (one.sub_score != two.sub_score and bool(_weight(one) or _weight(two)))


def _kind(one: Part, two: Part) -> Kind:
    if not _weight(two):
        return "lost"
    if not _weight(one):
        return "back"
    return "value" if one.sub_score != two.sub_score else "aged"


def _worth(before: Score, after: Score, changed: Sequence[int]) -> Worth:
    """Return a function from applied changes (rows of 0 and 1) to the resulting score."""
    profile = after.profile
    old, new = (list(each.parts.values()) for each in (before, after))
    weights = np.array([[_weight(part) for part in parts] for parts in (old, new)])
    subs = np.array([[part.sub_score or 0.0 for part in parts] for parts in (old, new)])
    # A measure without weight on one side takes the other side's value: a value alone, without weight, has no effect.
    for side, other in ((0, 1), (1, 0)):
        subs[side] = np.where(weights[side] == 0, subs[other], subs[side])

    def worth(came: Choices) -> Numbers:
        rows = np.zeros((len(came), len(old)), dtype=int)
        rows[:, list(changed)] = came
        columns = np.arange(len(old))
        w, s = weights[rows, columns], subs[rows, columns]
        w, _ = capped(profile, w)
        total = w.sum(axis=1)
        known = total > 0
        # With nothing known there is no score to compare with: keep the earlier one.
        start = (weights[0] * subs[0]).sum() / weights[0].sum()
        return np.where(known, (w * s).sum(axis=1) / np.where(known, total, 1), start)

    return worth


def _shapley(worth: Worth, n: int) -> list[float]:
    came, signed = _orders(n)
    return (worth(came) @ signed).tolist()


@lru_cache(maxsize=AT_ONCE + 1)
def _orders(n: int) -> tuple[Choices, Numbers]:
    """Return all combinations of n changes, and each one's weight in the Shapley value of each change."""
    came = (np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1
    sizes = came.sum(axis=1, keepdims=True)
    # A combination with the change counts for it, with the weight of the same one without it; one without, against it.
    weight = np.array([factorial(k) * factorial(n - k - 1) / factorial(n) for k in range(n)])
    signed = np.where(came == 1, weight[np.maximum(sizes - 1, 0)], -weight[np.minimum(sizes, n - 1)])
    return came, signed


def _owen(worth: Worth, n: int, groups: Sequence[Sequence[int]]) -> list[float]:
    found = [0.0] * n
    m = len(groups)
    for number, inside in enumerate(groups):
        others = [group for position, group in enumerate(groups) if position != number]
        k = len(inside)
        rows = []
        outer_weights, inner_masks = [], np.arange(2**k)
        for outer in range(2 ** (m - 1)):
            chosen = list(chain.from_iterable(group for bit, group in enumerate(others) if outer >> bit & 1))
            size = outer.bit_count()
            outer_weights.append(factorial(size) * factorial(m - size - 1) / factorial(m))
            row = np.zeros((2**k, n), dtype=int)
            row[:, chosen] = 1
            row[:, list(inside)] = (inner_masks[:, np.newaxis] >> np.arange(k)) & 1
            rows.append(row)
        values = worth(np.concatenate(rows)).reshape(len(rows), 2**k)
        sizes = [int(mask).bit_count() for mask in inner_masks]
        for bit, player in enumerate(inside):
            without = [int(mask) for mask in inner_masks if not mask >> bit & 1]
            weight = np.array(
                [factorial(sizes[mask]) * factorial(k - sizes[mask] - 1) / factorial(k) for mask in without]
            )
            gain = values[:, [mask | 1 << bit for mask in without]] - values[:, without]
            found[player] = float((np.array(outer_weights)[:, np.newaxis] * weight * gain).sum())
    return found
