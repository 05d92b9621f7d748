"""Draw the charts whose figures have changed, and read stored charts for pages."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.common import texts
from include.common.texts import N_
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
    "bands": (N_("Accounts by health band"), N_("Share of accounts that are green, yellow, red and unknown, by week")),
    "arr_bridge": (N_("ARR won and lost"), N_("New, expanded and regained ARR, and contraction and churn, by month")),
    "forecast": (N_("Renewals by quarter"), N_("ARR due, expected ARR, and its 80% interval")),
    "backtest": (
        N_("How well scores predicted losses"),
        N_("AUC of the score with its interval, and AUC of simpler methods"),
    ),
    "calibration": (
        N_("Renewal rate by score"),
        N_("Share renewed by score, with its interval and the number of renewals"),
    ),
}
# Language -> the locale of numbers and months in d3, which Vega uses.
_LOCALES: Mapping[str, Any] = {"de": "de-DE", "zh_CN": "zh-CN"}
# Charts that show amounts.
AMOUNTS = frozenset({"arr_bridge", "forecast"})


def draw() -> int:
    """Draw each chart whose figures have changed since it was last drawn. Return how many were drawn.

    Each is drawn in every language that the settings name. A chart without figures is deleted, and so are those of
    former languages and names.
    """
    from include.charts import fonts

    languages = fonts.languages()
    with engine("builder").begin() as connection:
        wanted = [_key(name, language) for name in CHARTS for language in languages]
        connection.execute(_REMOVE_OTHERS, {"charts": wanted})
    return sum(_draw(language) for language in languages)


def _draw(language: str) -> int:
    import vl_convert

    from include.charts import book, fonts, theme

    n_drawn, locale = 0, _LOCALES.get(language, "en-US")
    if font := fonts.cjk():
        vl_convert.register_font_directory(str(font.parent))
    with engine("reader").connect() as connection, texts.reading(language):
        known: dict[str, str] = dict(connection.execute(_HASHES).tuples().all())
        made = {name: getattr(book, name)(connection) for name in CHARTS}
        as_of = book.newest(connection)
    with engine("builder").begin() as connection, texts.reading(language):
        for name, chart in made.items():
            key = _key(name, language)
            if chart is None:
                connection.execute(_REMOVE, {"chart": key})
                continue
            spec = theme.styled(chart).to_json()
            title, says = (texts.gettext(one) for one in CHARTS[name])
            spec_hash = hashlib.sha256(f"{title}{says}{spec}".encode()).hexdigest()
            if known.get(key) == spec_hash:
                continue
            svg = vl_convert.vegalite_to_svg(
                spec, allowed_base_urls=[], format_locale=locale, time_format_locale=locale
            )
            values = {"chart": key, "title": title, "says": says, "hash": spec_hash, "svg": svg, "as_of": as_of}
            connection.execute(_KEEP, values)
            n_drawn += 1
    return n_drawn


def drawn(connection: sa.Connection, *names: str) -> list[Drawn]:
    """Return the stored charts among ``names``, in that order: in the reader's language, or else in English."""
    if not has_table(connection, "ops.chart"):
        return []
    wanted = {name: (_key(name, texts.language()), name) for name in names}
    keys = [key for both in wanted.values() for key in both]
    rows = {row.chart: row for row in connection.execute(_DRAWN, {"names": keys})}
    found = (next((rows[key] for key in both if key in rows), None) for both in wanted.values())
    return [Drawn(row.title, row.says, row.svg) for row in found if row]


def _key(name: str, language: str) -> str:
    return name if language == texts.ENGLISH else f"{name}.{language}"


_HASHES = sa.text("select chart, spec_hash from ops.chart")
_REMOVE = sa.text("delete from ops.chart where chart = :chart")
_REMOVE_OTHERS = sa.text("delete from ops.chart where chart <> all(:charts)")
_KEEP = sa.text(
    "insert into ops.chart (chart, title, says, spec_hash, svg, as_of, drawn_at)"
    " values (:chart, :title, :says, :hash, :svg, :as_of, clock_timestamp())"
    " on conflict (chart) do update set title = excluded.title, says = excluded.says, spec_hash = excluded.spec_hash,"
    " svg = excluded.svg, as_of = excluded.as_of, drawn_at = excluded.drawn_at"
)
_DRAWN = sa.text("select chart, title, says, svg from ops.chart where chart = any(:names)")
