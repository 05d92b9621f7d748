"""The results of a stage, and their arithmetic: medians, spreads, ratios, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Row:
    """One contestant in one case.

    Args:
        case: The task, such as "HubSpot contacts".
        who: The contestant.
        n: Rows (or other units) per repeat; 0 if a rate makes no sense.
        seconds: One value per repeat.
        peak_mb: Peak memory (RSS, with child processes) over all repeats; 0 if not measured.
        against: ``who`` of the same case's row that the rate is compared with.
        wanted: Target for the ratio to it, as a minimum; 0 for none.
        most_mb: Target for memory, as a maximum; 0 for none.
        figures: Further figures, such as rows lost, in column order.
        note: Shown in the last column.
    """

    case: str
    who: str
    n: int = 0
    seconds: tuple[float, ...] = ()
    peak_mb: float = 0.0
    against: str = ""
    wanted: float = 0.0
    most_mb: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def typical(self) -> float:
        """The median of the repeats, in seconds; 0 without repeats."""
        return median(self.seconds) if self.seconds else 0.0

    @property
    def rate(self) -> float:
        """Rows per second, by the median; 0 if unknown."""
        return self.n / self.typical if self.n and self.typical else 0.0

    @property
    def spread(self) -> float:
        """Relative spread of the repeats: (slowest - fastest) / median."""
        return (max(self.seconds) - min(self.seconds)) / self.typical if self.typical else 0.0


def find(rows: Iterable[Row], case: str, who: str) -> Row | None:
    """Return the row of a contestant in a case."""
    return next((row for row in rows if row.case == case and row.who == who), None)


def ratio(row: Row, rows: Iterable[Row]) -> float | None:
    """Return a row's rate over the rate of the row it is compared with; None if unknown."""
    other = find(rows, row.case, row.against) if row.against else None
    if other is None or not other.rate or not row.rate:
        return None
    return row.rate / other.rate


@dataclass(frozen=True)
class Verdict:
    """Whether one row meets a target.

    Args:
        text: Target and measurement.
        is_met: Whether the target is met.
    """

    text: str
    is_met: bool


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Return a verdict for every target. A target that could not be measured is not met."""
    found = []
    for row in rows:
        if row.wanted:
            got = ratio(row, rows)
            shown = "not measured" if got is None else f"{got:.2f}"
            text = f"{row.case}, {row.who}: {shown} of {row.against}, target {row.wanted:g}"
            found.append(Verdict(text, got is not None and got >= row.wanted))
        if row.most_mb:
            text = f"{row.case}, {row.who}: {row.peak_mb:.0f} MB, target at most {row.most_mb:.0f}"
            found.append(Verdict(text, 0 < row.peak_mb <= row.most_mb))
    return found


def cells(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the lines of a table, without columns that no row fills."""
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    lines = []
    for row in rows:
        got = ratio(row, rows)
        lines.append(
            [
                row.case,
                row.who,
                f"{row.n:,}" if row.n else "",
                f"{row.typical:.2f}" if row.seconds else "",
                f"{row.rate:,.0f}" if row.rate else "",
                f"±{row.spread / 2:.0%}" if len(row.seconds) > 1 else "",
                "" if got is None else f"{got:.2f} of {row.against}",
                f"{row.peak_mb:.0f}" if row.peak_mb else "",
                *(_shown(row.figures.get(name)) for name in names),
                row.note,
            ]
        )
    header = ["case", "who", "rows", "seconds", "rows/s", "spread", "ratio", "peak MB", *names, "note"]
    kept = [index for index in range(len(header)) if index < 2 or any(line[index] for line in lines)]
    return [header[index] for index in kept], [[line[index] for index in kept] for line in lines]


def markdown(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    header, lines = cells(rows)
    numeric = {"rows", "seconds", "rows/s", "spread", "peak MB"}
    rule = ["---:" if name in numeric else "---" for name in header]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *lines])


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows for a results file, with derived figures."""
    return [asdict(row) | {"median": row.typical, "rate": row.rate, "ratio": ratio(row, rows)} for row in rows]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
