"""Draw the charts whose figures have changed, and read stored charts for pages."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Drawn:
    """A chart as shown on a page.

    Args:
        says: Text alternative for screen readers.
        svg: The drawing. It is trusted: made here, without scripts or styles.
    """

    title: str
    says: str
    svg: str

    @property
    def figure(self) -> str:
        """The chart as HTML, with its title and text alternative."""
        caption, says = html.escape(self.title), html.escape(self.says)
        drawing = f'<div role="img" aria-label="{says}" class="scroll">{self.svg}</div>'
        return f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"


# Name -> title and text alternative.
CHARTS: Mapping[str, tuple[str, str]] = {
    "bands": ("Accounts by health band", "Share of accounts that are green, yellow, red and unknown, by week"),
    "arr_bridge": ("ARR won and lost", "New, expanded and regained ARR, and contraction and churn, by month"),
    "forecast": ("Renewals by quarter", "ARR due, expected ARR, and its 80% interval"),
    "backtest": ("How well scores predicted losses", "AUC of the score with its interval, and AUC of simpler methods"),
    "calibration": ("Renewal rate by score", "Share renewed by score, with its interval and the number of renewals"),
}
# Charts that show amounts.
AMOUNTS = frozenset({"arr_bridge", "forecast"})


def draw() -> int:
    """Draw each chart whose figures have changed since it was last drawn. Return how many were drawn.

    A chart without figures is deleted.
    """
    import vl_convert

    from include.charts import book, theme

    n_drawn = 0
    with engine("reader").connect() as connection:
        known: dict[str, str] = dict(connection.execute(_HASHES).tuples().all())
        made = {name: getattr(book, name)(connection) for name in CHARTS}
        as_of = book.newest(connection)
    with engine("builder").begin() as connection:
        for name, chart in made.items():
            if chart is None:
                connection.execute(_REMOVE, {"chart": name})
                continue
            spec = theme.styled(chart).to_json()
            spec_hash = hashlib.sha256(spec.encode()).hexdigest()
            if known.get(name) == spec_hash:
                continue
            title, says = CHARTS[name]
            svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
            values = {"chart": name, "title": title, "says": says, "hash": spec_hash, "svg": svg, "as_of": as_of}
            connection.execute(_KEEP, values)
            n_drawn += 1
    return n_drawn


def drawn(connection: sa.Connection, *names: str) -> list[Drawn]:
    """Return the stored charts among ``names``, in that order."""
    if not has_table(connection, "ops.chart"):
        return []
    rows = {row.chart: row for row in connection.execute(_DRAWN, {"names": list(names)})}
    return [Drawn(rows[name].title, rows[name].says, rows[name].svg) for name in names if name in rows]


_HASHES = sa.text("select chart, spec_hash from ops.chart")
_REMOVE = sa.text("delete from ops.chart where chart = :chart")
_KEEP = sa.text(
    "insert into ops.chart (chart, title, says, spec_hash, svg, as_of, drawn_at)"
    " values (:chart, :title, :says, :hash, :svg, :as_of, clock_timestamp())"
    " on conflict (chart) do update set title = excluded.title, says = excluded.says, spec_hash = excluded.spec_hash,"
    " svg = excluded.svg, as_of = excluded.as_of, drawn_at = excluded.drawn_at"
)
_DRAWN = sa.text("select chart, title, says, svg from ops.chart where chart = any(:names)")
