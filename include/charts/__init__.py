"""Charts as SVG: drawn in tasks with Altair and vl-convert, stored in ``ops.chart``, shown by pages and reports."""
