"""Parsed facts of a query are cached by its text."""

from __future__ import annotations

import pytest

from include.models import sql_parser
from include.models.sql_parser import Facts, NotAllowed, NotOneSelect, NotValid

QUERY = (
    "with open as (select a.id as one from raw.a as a where day < :end)"
    " select one, 2 as two from open join core.b using (one)"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    return tmp_path


def test_parser_finds_tables_ctes_columns_and_parameters():
    found = sql_parser.of(QUERY)
    assert found.tables == (("", "open"), ("core", "b"), ("raw", "a"))
    assert (found.with_names, found.columns, found.parameters) == (("open",), ("one", "two"), ("end",))


def test_fingerprint_ignores_layout():
    base = sql_parser.of("select 'A b' as \"One\", two from core.b -- why\nwhere x").fingerprint
    assert sql_parser.of("SELECT\n'A b' AS \"One\", Two /* so */ FROM core.b WHERE x").fingerprint == base
    for other in ("'A  b' as \"One\"", "'a b' as \"One\"", "'A b' as \"one\"", "'A b' as One"):
        assert sql_parser.of(f"select {other}, two from core.b where x").fingerprint != base


@pytest.fixture
def never_parsed(monkeypatch):
    def refuse(query: str) -> Facts:
        raise AssertionError(f"parsed again: {query}")

    def arm() -> None:
        sql_parser._known.cache_clear()  # the next process starts without the in-memory cache
        monkeypatch.setattr(sql_parser, "_parse", refuse)

    return arm


def test_parsed_query_is_cached_across_processes(never_parsed):
    before = sql_parser.of(QUERY)
    sql_parser.save_cache()
    never_parsed()
    assert sql_parser.of(QUERY) == before


def test_changed_query_is_parsed_again(never_parsed):
    sql_parser.of(QUERY)
    sql_parser.save_cache()
    never_parsed()
    with pytest.raises(AssertionError, match="parsed again"):
        sql_parser.of(QUERY.replace("two", "three"))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"a": {"tables": 1}}'])
def test_broken_cache_file_is_ignored(home, text):
    file = sql_parser._file()
    file.parent.mkdir()
    file.write_text(text)
    sql_parser._known.cache_clear()
    assert sql_parser.of(QUERY).columns == ("one", "two")
    sql_parser.save_cache()
    sql_parser._known.cache_clear()
    assert sql_parser.of(QUERY).columns == ("one", "two")


def test_unwritable_cache_folder_is_tolerated(home, monkeypatch):
    (home / "cache").write_text("a file where the folder should be")
    sql_parser._known.cache_clear()
    assert sql_parser.of(QUERY).columns == ("one", "two")
    sql_parser.save_cache()


def test_anything_but_a_single_select_is_reported():
    with pytest.raises(NotOneSelect):
        sql_parser.of("select 1; select 2")
    with pytest.raises(NotOneSelect):
        sql_parser.of("delete from raw.a")
    with pytest.raises(NotValid) as caught:
        sql_parser.of("select 1\nfrom (select")
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    "query",
    [
        "select set_config('role', 'none', true) as one",
        "select a from core.b where (select set_config('role', 'none', true)) is not null",
        'select U&"pg\\005fread_file"(1) as one',
        "select * from ts_stat('select 1') as t",
        "select dblink('a', 'b') as one from core.b",
        "select one from core.b for update",
        "with gone as (delete from core.b returning one) select one from gone",
        "select rolpassword as one from pg_catalog.pg_authid",
    ],
)
def test_forbidden_query_is_not_cached(query):
    for _ in range(2):
        with pytest.raises(NotAllowed):
            sql_parser.of(query)


def test_too_deeply_nested_query_is_rejected():
    with pytest.raises(NotValid, match="nested too deeply"):
        sql_parser.of(f"select {'(' * 3000}1{')' * 3000} as one")
