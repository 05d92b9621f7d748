from pathlib import Path

import pytest

from include.errors import ConfigError
from include.sources.database import query as queries

GOOD = "select key as id, n as n_events, updated_at from t"


def load(tmp_path: Path, text: str, backend: str = "postgresql"):
    path = tmp_path / "usage_day.sql"
    path.write_text(text)
    return queries.load("usage_day", path, backend)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + ";\n-- the end\n",
        "with x as (select 1 as id) select * from x union all select 2",
        "select id from t where updated_at > :since::timestamptz and note <> 'drop table x; :z' and at = '12:30'",
    ],
)
def test_one_select_is_taken(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select 1; select 2", "usage_day.sql: holds 2 statements"),
        ("select 1; drop table t", "holds 2 statements"),
        ("delete from t", "usage_day.sql:1: is no select"),
        ("with x as (delete from t returning *) select * from x", "more than read: DELETE FROM t"),
        ("select * into y from x", "more than read"),
        ("select * from x for update", "more than read"),
        ("select id\nfrom t\nwhere x = :from_day", r"usage_day.sql:3:12: has an unknown parameter :from_day"),
        ("select id,\n  (a + b\nfrom t", r"usage_day.sql:\d:\d+: is no valid SQL"),
        ("select 'open", "is no valid SQL"),
    ],
)
def test_what_is_no_single_reading_select_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_an_empty_file_switches_its_entity_off(tmp_path: Path) -> None:
    assert load(tmp_path, "-- not available here\n") is None


def test_parameters_are_known_also_before_a_cast(tmp_path: Path) -> None:
    query = load(tmp_path, "select id from t where a > :since::timestamptz and b = ':x'")
    assert query.parameters == {"since"}
    assert "(:since)::timestamptz" in query.executable


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["n_events", "updated_at"], "gives no column id"),
        (["id", "n_events"], "gives no column updated_at"),
        (
            ["id", "updated_at", "n_event"],
            r"usage_day.sql:1:24: usage_day has no column n_event \| did you mean n_events",
        ),
        (["id", "updated_at", "n_events", "n_events"], "gives the column n_events twice"),
    ],
)
def test_the_output_is_held_against_the_entity(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, GOOD.replace("n_events", "n_event")).check_columns(names)


def test_the_output_may_be_less_and_may_mark_deletes(tmp_path: Path) -> None:
    load(tmp_path, GOOD).check_columns(["id", "updated_at", "is_deleted", "feature"])


def test_the_overlay_and_misspelt_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "product_user.sql").write_text(GOOD)
    assert queries.available("product_db")["product_user"] == folder / "product_user.sql"
    (folder / "product_users.sql").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"no entity product_users \| did you mean product_user\.sql"):
        queries.available("product_db")
