"""Charts as SVG. Tasks draw them with Altair and vl-convert into ``ops.chart``; pages and reports show them."""
