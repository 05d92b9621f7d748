"""The data dictionary matches the SQL folders and describes every column."""

from __future__ import annotations

from include.metrics import dictionary
from include.models import metrics, registry


def test_dictionary_page_matches_the_folders() -> None:
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.text(), "run `make docs`"


def test_every_column_is_described() -> None:
    owners = registry.owners()
    for name, model in registry.load().items():
        assert model.metadata.owner in owners, name
        for column, meta in model.metadata.columns.items():
            assert meta.description.endswith("."), f"{name}.{column}: no sentence"
            assert meta.description != f"{column}.", f"{name}.{column}: repeats its name"


def test_personal_columns_are_marked() -> None:
    for name, model in registry.load().items():
        for column, meta in model.metadata.columns.items():
            if "email" in column or column in ("first_name", "last_name", "comment", "body", "subject"):
                assert meta.sensitivity == "personal", f"{name}.{column} names a person or holds free text"


def test_every_metric_is_fully_documented() -> None:
    for metric in metrics.load().values():
        entry = metric.entry
        assert entry.title and entry.formula and entry.unit and entry.direction and metric.owner and metric.needs
        assert (entry.kind == "amount") or entry.denominator, metric.id
