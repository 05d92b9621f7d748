"""``python -m include.cli report``: charts of the pages."""

from __future__ import annotations

import typer

app = typer.Typer(help="What people read away from the warehouse: charts.", no_args_is_help=True)


@app.command("charts")
def draw_charts() -> None:
    """Draw the charts of the pages whose figures have changed."""
    from include.charts import draw

    number = draw.draw()
    typer.echo(f"{number} of {len(draw.CHARTS)} charts were drawn; the others have not changed or have no figures yet")
