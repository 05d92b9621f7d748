"""The common style of charts: readable on light and dark backgrounds, and for colour-blind readers."""

from __future__ import annotations

import altair as alt

from include.common.texts import N_

WIDTH, HEIGHT = 680, 220
# Bands differ in lightness too, for readers who cannot tell red from green.
BANDS = {N_("green"): "#1a7f4b", N_("yellow"): "#e0b43a", N_("red"): "#b3202c", N_("unknown"): "#9aa6b1"}
BLUE, ORANGE, GREY = "#1f6fb2", "#d97706", "#77828c"


def styled(chart: alt.Chart | alt.LayerChart) -> alt.Chart | alt.LayerChart:
    return (
        chart.properties(width=WIDTH, height=HEIGHT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelColor=GREY, titleColor=GREY, gridColor="#8884", domainColor=GREY, tickColor=GREY)
        .configure_legend(labelColor=GREY, titleColor=GREY, orient="top", title=None)
        .configure_text(color=GREY)
    )
