"""Write the data dictionary: every metric, table and column on one page, from the metadata in ``sql/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.common import paths
from include.models import metrics, registry
from include.models.registry import Model
from include.models.sql_files import LAYERS

PATH = paths.ROOT / "docs" / "reference" / "data-dictionary.md"
_HEAD = """\
# Data dictionary

Generated from `sql/*/*/metadata.yaml` and `sql/metrics/` by `python -m include.cli metrics write` (`make docs`); edit
those files, not this one. Sensitivity is `internal` unless stated otherwise; `personal` identifies a person and is
masked wherever rows are shown. [How to add a KPI](../how-to/add-a-kpi.md) explains the materialisations.
"""


def text() -> str:
    return "\n".join([_HEAD, *_metrics(), *_tables()]) + "\n"


def write() -> Path:
    PATH.write_text(text(), encoding="utf-8")
    return PATH


def _metrics() -> Iterator[str]:
    known = metrics.load()
    yield "## Metrics\n"
    yield f"{len(known)} metrics in a tree below the three core metrics.\n"
    yield "| metric | level | parent | formula | unit | better | owner | target | version | needs | computed from |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for one in known.values():
        entry = one.entry
        made = f"{entry.value or entry.numerator}{f' / {entry.denominator}' if entry.denominator else ''}"
        target = "; ".join(f"{period} {bound}" for period, bound in entry.target.items())
        cells = (
            f"`{one.id}` {entry.title}",
            entry.level,
            entry.parent,
            entry.formula,
            entry.unit,
            entry.direction,
            one.owner,
            target,
            str(entry.version),
            ", ".join(one.needs),
            f"`{one.table}`: {made}",
        )
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    yield ""


def _tables() -> Iterator[str]:
    by_folder: dict[str, list[Model]] = {}
    for model in registry.load().values():
        by_folder.setdefault(model.folder.partition("/")[0], []).append(model)
    for layer in LAYERS:
        yield f"## {layer.capitalize()}\n"
        for model in sorted(by_folder.get(layer, []), key=lambda each: each.name):
            yield from _table(model)


def _table(model: Model) -> Iterator[str]:
    meta = model.metadata
    reads = ", ".join(f"`{name}`" for name in (*model.models, *(f"raw.{table}" for table in model.raw)))
    yield f"### {model.name}\n"
    yield f"{' '.join(meta.description.split())}\n"
    kind = meta.materialisation.replace("_", " ")
    yield f"Owner {meta.owner}, {meta.tier.replace('_', ' ')}, materialised as {kind}, key"
    yield f"{', '.join(f'`{name}`' for name in meta.unique_key)}. Reads {reads or 'settings only'}.\n"
    yield "| column | type | description |"
    yield "|---|---|---|"
    for name, column in meta.columns.items():
        text = (
            column.description if column.sensitivity == "internal" else f"{column.description} *{column.sensitivity}*"
        )
        yield f"| `{name}` | {column.type} | {' '.join(text.split()).replace('|', '/')} |"
    yield ""
