"""What the product brought a customer: value delivered against objectives, and output per head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """An objective in numbers. None where the CRM has none."""

    baseline: float | None
    now: float | None
    target: float | None

    @property
    def delivered(self) -> float | None:
        """The share of the way from the baseline to the target, 0 to 1; None if a number is missing."""
        if self.baseline is None or self.now is None or self.target is None or self.target == self.baseline:
            return None
        return min(1.0, max(0.0, float((self.now - self.baseline) / (self.target - self.baseline))))


@dataclass(frozen=True)
class Delivered:
    """The value delivered to one customer.

    Args:
        value: The mean over the objectives in numbers; None without any.
        n: Number of objectives in numbers.
        n_without: Number of objectives left out, because a number is missing.
    """

    value: float | None
    n: int
    n_without: int


def delivered(objectives: Sequence[Numbers]) -> Delivered:
    """Return the mean share of the way to the targets. Objectives without numbers are left out and counted."""
    known = [share for one in objectives if (share := one.delivered) is not None]
    value = sum(known) / len(known) if known else None
    return Delivered(value, len(known), len(objectives) - len(known))


@dataclass(frozen=True)
class OutputPerHead:
    """Output per head in a period, against the same period of the year before.

    Args:
        is_fewer_heads_alone: Whether it rose although the output did not: fewer people, not more output.
    """

    before: float
    after: float
    change: float
    is_fewer_heads_alone: bool


def output_per_head(
    output_before: float | None, heads_before: int | None, output: float | None, heads: int | None
) -> OutputPerHead | None:
    """Return output per head before and after; None unless all four numbers are known and positive before."""
    if output_before is None or output is None or not heads_before or not heads or output_before <= 0:
        return None
    before, after = float(output_before) / heads_before, float(output) / heads
    is_alone = after > before and heads < heads_before and output <= output_before
    return OutputPerHead(before, after, after / before - 1, is_alone)
