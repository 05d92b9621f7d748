"""``segments.yaml``: the nine fields of small accounts by recency, frequency and money."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from include.config.documents import Strict

Third = Literal["high", "mid", "low"]
Segment = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Segments(Strict):
    """``segments.yaml``.

    Args:
        fields: Recency -> the mean of frequency and money -> the segment's name.
    """

    fields: dict[Third, dict[Third, Segment]]

    @model_validator(mode="after")
    def _check_fields(self) -> Segments:
        thirds = set(get_args(Third))
        if set(self.fields) != thirds or any(set(row) != thirds for row in self.fields.values()):
            raise ValueError("fields needs high, mid and low, each with high, mid and low")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the segments, best first."""
        return tuple(dict.fromkeys(name for row in self.fields.values() for name in row.values()))

    def of(self, recency: int | None, frequency: int | None, money: int | None) -> str:
        """Return the segment of an account; "" if its use is not known. Without money, frequency counts alone."""
        if recency is None or frequency is None:
            return ""
        return self.fields[_third(recency)][_third(frequency if money is None else (frequency + money) / 2)]


def _third(score: float) -> Third:
    return "high" if score >= 4 else "mid" if score >= 2.5 else "low"
