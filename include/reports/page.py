"""Render sections of text, tables and SVG bars as one self-contained page, without scripts or external resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from include.common import formatting, texts

WIDTH, HEIGHT, LEFT, BOTTOM = 760, 200, 36, 28
COLOURS = ("#1f6feb", "#d97706", "#6b7280")


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Args:
        columns: The table's columns; empty for a section of text only.
        numbers: Positions of right-aligned columns.
        text: Text above the table.
        chart: Trusted SVG; never a customer's text.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    numbers: Sequence[int] = ()
    text: str = ""
    chart: str = ""


def render(title: str, subtitle: str, sections: Sequence[Section], warning: str = "") -> str:
    """Return the page. Every value is escaped, including names that customers chose.

    Args:
        warning: A line in bold below the title.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            warning=warning,
            language=texts.language().replace("_", "-"),
        )
    )


def weeks(label: str, series: Mapping[str, Counter[date]], first: date, last: date) -> str:
    """Return a bar chart by week: one group per week, one bar per series.

    Args:
        label: Text alternative for screen readers.
        series: Name -> Monday of the week -> number.
    """
    monday = first - timedelta(days=first.weekday())
    mondays = [monday + timedelta(weeks=number) for number in range((last - monday).days // 7 + 1)]
    top = max([1, *(number for counts in series.values() for number in counts.values())])
    slot = (WIDTH - LEFT) / len(mondays)
    bar = max(1.0, slot * 0.8 / max(1, len(series)))
    high = HEIGHT - BOTTOM - 24
    bars, ticks = [], []
    for position, week in enumerate(mondays):
        for number, (name, counts) in enumerate(series.items()):
            if not counts[week]:
                continue
            tall = high * counts[week] / top
            bars.append(
                {
                    "x": round(LEFT + position * slot + number * bar, 1),
                    "y": round(HEIGHT - BOTTOM - tall, 1),
                    "w": round(bar, 1),
                    "h": round(tall, 1),
                    "fill": COLOURS[number % len(COLOURS)],
                    "title": f"week of {week}: {counts[week]} {name}",
                }
            )
        if position % max(1, len(mondays) // 8) == 0:
            ticks.append((round(LEFT + (position + 0.5) * slot, 1), f"{week:%d %b %y}"))
    lines = [(round(HEIGHT - BOTTOM - high * share, 1), f"{top * share:g}") for share in (0, 0.5, 1)]
    legend = [(LEFT + 8 + number * 190, COLOURS[number % len(COLOURS)], name) for number, name in enumerate(series)]
    return (
        _environment()
        .get_template("weeks.svg")
        .render(width=WIDTH, height=HEIGHT, left=LEFT, label=label, bars=bars, ticks=ticks, lines=lines, legend=legend)
    )


def percent(value: float | None) -> str:
    """Return a share in whole percent, or a dash."""
    return "-" if value is None else formatting.percent(value)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        finalize=formatting.shown,
    )
    environment.filters["markup"] = Markup
    return environment
