"""Loading SQL models without a database: order, references, metadata, and errors with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlglot

from include.common import paths
from include.common.errors import ConfigError
from include.models import registry
from include.models.sql_files import LAYERS

METADATA = """\
description: One row per thing.
owner: data_team
tier: tier_3
tags: [kpi]
materialisation: account
unique_key: [account_key]
columns:
  account_key: {type: text, description: The account.}
"""


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An active overlay folder."""
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    return tmp_path / "sql"


def write(folder: Path, query: str, metadata: str = METADATA, checks: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "query.sql").write_text(query)
    (folder / "metadata.yaml").write_text(metadata)
    if checks:
        (folder / "checks.sql").write_text(checks)
    return folder


def test_every_model_comes_after_its_inputs() -> None:
    position = {name: number for number, name in enumerate(registry.names())}
    edges = registry.edges()
    assert ("core.renewal", "marts.act_renewal_checkpoint") in edges
    assert all(position[read] < position[reading] for read, reading in edges)
    assert set(registry.load()) == set(position)


def test_views_are_resolved_to_their_tables() -> None:
    assert "raw.usage_day" in registry.parents("core.usage_day")
    assert not any(parent.startswith("staging.") for parent in registry.parents("core.usage_day"))


def test_new_overlay_folder_is_a_model(overlay: Path) -> None:
    write(overlay / "marts" / "kpi_mine", "select account_key from core.account where tier = 'a--b'")
    assert registry.get("marts.kpi_mine").models == ("core.account",)


def test_overlay_file_wins_over_the_shipped_one(overlay: Path) -> None:
    folder = overlay / "core" / "bot_user"
    folder.mkdir(parents=True)
    folder.joinpath("query.sql").write_text("select 'x' as user_key, account_key from core.account_bridge")
    assert registry.get("core.bot_user").models == ("core.account_bridge",)
    assert registry.get("core.bot_user").metadata.unique_key == ("user_key",)


def test_table_with_readers_cannot_be_disabled(overlay: Path) -> None:
    folder = overlay / "core" / "bot_user"
    folder.mkdir(parents=True)
    folder.joinpath("metadata.yaml").write_text("disabled: true\n")
    with pytest.raises(ConfigError, match=r"core/usage_day/query\.sql:\d+: reads core\.bot_user.*disabled"):
        registry.names()


def test_table_without_readers_can_be_disabled(overlay: Path) -> None:
    write(overlay / "marts" / "kpi_mine", "select account_key from core.account", "disabled: true\n")
    assert "marts.kpi_mine" not in registry.names()


def test_cyclic_tables_are_rejected(overlay: Path) -> None:
    write(overlay / "marts" / "one", "select account_key\nfrom marts.two")
    write(overlay / "marts" / "two", "select account_key\nfrom marts.one")
    with pytest.raises(ConfigError, match=r"query\.sql:2: circular dependency between tables: "):
        registry.names()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select account_key,\nfrom where core.account", r"query\.sql:\d: not valid SQL"),
        ("select account_key\nfrom core.nothing", r"query\.sql:2: reads core\.nothing"),
        ("select account_key\nfrom nothing", r"query\.sql:2: reads nothing, which is not a CTE"),
        ("select account_key\nfrom public.outbox", r"query\.sql:2: reads public\.outbox, which models may not read"),
        ("delete from core.account", r"query\.sql:1: must be exactly one SELECT"),
        ("select 1 as a; select 2 as b", r"query\.sql:1: must be exactly one SELECT"),
    ],
)
def test_invalid_query_is_reported_with_its_line(overlay: Path, query: str, message: str) -> None:
    write(overlay / "marts" / "wrong", query)
    with pytest.raises(ConfigError, match=message):
        registry.names()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("owner: data_team", "owner: nobody"), r"metadata\.yaml:2: owner: nobody is not in sql/owners\.yaml"),
        (("tags: [kpi]", "tags: [colourful]"), r"metadata\.yaml:4: tags\.0"),
        (("tier: tier_3", "tire: tier_3"), r"metadata\.yaml:3: tire: unknown key"),
        (("One row per thing", "Things"), r"metadata\.yaml:1: description"),
        (("unique_key: [account_key]", "unique_key: [id]"), r"id is used as key"),
        (("  account_key: {", "  account: {"), r"account_key"),
        (("materialisation: account", "materialisation: account_day"), r"window_column is required for"),
    ],
)
def test_invalid_metadata_is_reported_with_its_line(overlay: Path, change: tuple[str, str], message: str) -> None:
    write(overlay / "marts" / "wrong", "select account_key from core.account", METADATA.replace(*change))
    with pytest.raises(ConfigError, match=message):
        registry.load()


def test_columns_must_match_the_query(overlay: Path) -> None:
    folder = write(overlay / "marts" / "wrong", "select account_key, name from core.account")
    with pytest.raises(ConfigError, match=r"metadata\.yaml:7: columns: .*selects name, which is not described"):
        registry.load()
    (folder / "query.sql").write_text("select name as account_key from core.account")
    assert registry.get("marts.wrong").columns == ("account_key",)


def test_folder_without_metadata_is_rejected(overlay: Path) -> None:
    folder = write(overlay / "marts" / "wrong", "select account_key from core.account")
    (folder / "metadata.yaml").unlink()
    with pytest.raises(ConfigError, match=r"marts/wrong: metadata\.yaml is missing"):
        registry.names()


def test_checks_have_a_severity_name_and_description(overlay: Path) -> None:
    checks = "-- fail: no_tests: A test account counts.\nselect 1 as x\n\n-- warn: few: Few rows.\nselect 2 as x;\n"
    write(overlay / "marts" / "mine", "select account_key from core.account", checks=checks)
    found = registry.get("marts.mine").checks
    assert [(check.name, check.severity, check.query) for check in found] == [
        ("no_tests", "fail", "select 1 as x"),
        ("few", "warn", "select 2 as x"),
    ]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ("select 1 as x\n", r"checks\.sql:1: SQL before the first check"),
        ("-- fail: one: It is wrong.\nselect from where\n", r"checks\.sql:\d: not valid SQL"),
        ("-- fail: one: A.\nselect 1 as x\n-- warn: one: B.\nselect 1 as x\n", r"checks\.sql:3: one is defined twice"),
    ],
)
def test_invalid_check_is_reported_with_its_line(overlay: Path, checks: str, message: str) -> None:
    write(overlay / "marts" / "wrong", "select account_key from core.account", checks=checks)
    with pytest.raises(ConfigError, match=message):
        registry.load()


def test_view_accepts_no_parameters(overlay: Path) -> None:
    metadata = METADATA.replace("materialisation: account", "materialisation: view")
    write(overlay / "staging" / "mine", "select account_key from core.account where :newest > 1", metadata)
    with pytest.raises(ConfigError, match="a view cannot have parameters"):
        registry.load()


def test_changed_file_is_read_again(overlay: Path) -> None:
    folder = write(overlay / "marts" / "mine", "select account_key from core.account")
    assert registry.get("marts.mine").models == ("core.account",)
    (folder / "query.sql").write_text("select account_key from core.account_step where 1 = 1")
    assert registry.get("marts.mine").models == ("core.account_step",)
    shutil.rmtree(folder)
    assert "marts.mine" not in registry.names()


def test_every_shipped_query_states_its_purpose() -> None:
    for model in registry.load().values():
        header = [line for line in model.query.splitlines()[:8] if line.startswith("-- ")]
        assert 3 <= len(header) <= 6, model.path
        assert header[0].startswith("-- Purpose: "), model.path
        assert any("Grain: " in line for line in header), model.path
        assert any("Window: " in line for line in header), model.path


def test_tables_used_for_actions_declare_their_sources() -> None:
    for model in registry.load().values():
        if model.folder.startswith("actions/"):
            assert all(column.reads for column in model.metadata.columns.values()), model.path


def test_shipped_queries_use_only_the_portable_subset() -> None:
    for path in paths.SQL.glob("*/*/query.sql"):
        code = path.read_text().lower()
        for word in ("generate_series", "interval '", "::", "now()", "current_date", "distinct on"):
            assert word not in code, f"{path}: {word}"


def test_sql_lines_are_at_most_120_characters() -> None:
    for path in (path for layer in LAYERS for path in (paths.SQL / layer).glob("*/*.sql")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert len(line) <= 120, f"{path}:{number}"


def test_former_states_are_read_like_versions() -> None:
    folders = list(paths.SQL.glob("staging/*_history"))
    assert folders
    for folder in folders:
        versions, states = expressions(folder.with_name(folder.name.removesuffix("_history"))), expressions(folder)
        assert {name: states[name] for name in states.keys() & versions.keys()}.items() <= versions.items(), folder


def expressions(folder: Path) -> dict[str, str]:
    """Return the SQL of each column of a query."""
    query = sqlglot.parse_one((folder / "query.sql").read_text(), dialect="postgres")
    return {column.alias_or_name: column.unalias().sql(comments=False) for column in query.selects}


@pytest.mark.parametrize(
    ("folder", "column"),
    [
        ("kpi_mine (a text); select pg_sleep(9) --", "account_key"),
        ('kpi"mine', "account_key"),
        ("kpi_mine", '"a"" text); select pg_sleep(9); --"'),
        ("kpi_mine", '"a, b"'),
    ],
)
def test_name_with_sql_syntax_is_rejected(overlay: Path, folder: str, column: str) -> None:
    name = column.strip('"').replace('""', '"')
    metadata = METADATA.replace("  account_key:", f"  '{name}':").replace("[account_key]", f"['{name}']")
    write(
        overlay / "marts" / folder,
        f"select tier as {column} from core.account",
        metadata.replace("account\n", "table\n"),
    )
    with pytest.raises(ConfigError, match="lower-case letters, digits and _"):
        registry.load()
