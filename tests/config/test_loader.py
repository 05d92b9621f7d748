from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from include.common.errors import ConfigError
from include.config import Settings, config_hash, files, load, show
from include.config.channels import NAMES
from include.config.person import Person


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


@pytest.fixture(autouse=True)
def no_overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)


def _of_one_place(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models that occur once per file, without those of list or mapping items."""
    for field in model.model_fields.values():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Person:
            yield kind
            yield from _of_one_place(kind)


def test_defaults_are_defined_only_in_the_shipped_files() -> None:
    models: list[type[BaseModel]] = [Settings, *_of_one_place(Settings)]
    doubled = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.is_required()
    ]
    assert doubled == []


def test_keys_omitted_by_an_overlay_file_keep_shipped_values(overlay: Path) -> None:
    (overlay / "kpis.yaml").write_text("forecast: {no_deal: 0.1}\nurgent_limit_hours: {key_account: 4}\nsla: {}\n")
    kpis = load().kpis
    assert (kpis.forecast.no_deal, kpis.forecast.open_deal, len(kpis.forecast.categories)) == (0.1, 0.7, 3)
    assert kpis.urgent_limit_hours == {"default": 24, "key_account": 4}
    assert kpis.sla == {}


def test_no_channel_sends_by_default() -> None:
    channels = load().channels
    assert [name for name in NAMES if not getattr(channels, name).dry_run] == []


def test_file_of_the_same_name_replaces_the_whole_file(overlay: Path) -> None:
    (overlay / "renewals.yaml").write_text("ladder_days: [90, 30]\n")
    assert load().renewals.ladder_days == (90, 30)
    assert load().renewals.late_by_days == 7
    assert load().reporting_zone == "UTC"


def test_changed_file_is_reread(overlay: Path) -> None:
    (overlay / "settings.yaml").write_text("currency: EUR\n")
    before = config_hash()
    assert load().currency == "EUR"
    (overlay / "settings.yaml").write_text("currency: SEK # krona\n")
    assert load().currency == "SEK"
    assert config_hash() != before


PLANNED = "{description: Signed in., owner: {name: A, email: a@vendor.example}}"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("[{id: crm, kind: crm, owner: O}, {id: crm, kind: support, owner: O}]", "crm is listed twice"),
        ("[{id: kpis, kind: crm, owner: O}]", "cannot be called kpis"),
        ("[{id: crm, kind: crm, owner: O, mapping: ../secret.yaml}]", "mapping"),
    ],
)
def test_connections_have_unique_ids(overlay: Path, sources: str, message: str) -> None:
    owner = "{name: A, email: a@vendor.example}"
    (overlay / "settings.yaml").write_text(f"sources: {sources.replace('owner: O', f'owner: {owner}')}\n")
    with pytest.raises(ConfigError, match=message):
        load()


def test_hash_depends_on_values_not_comments(overlay: Path) -> None:
    (overlay / "settings.yaml").write_text("currency: EUR\nbatch_rows: 9\n")
    before = config_hash()
    (overlay / "settings.yaml").write_text("# why\nbatch_rows: 9\ncurrency:   EUR\n")
    assert config_hash() == before


def test_show_names_the_file_of_each_value(overlay: Path) -> None:
    (overlay / "renewals.yaml").write_text("\nladder_days: [90, 30]\n")
    rows = {row.key: row for row in show()}
    assert rows["renewals.ladder_days"].value == (90, 30)
    assert rows["renewals.ladder_days"].origin == f"{overlay / 'renewals.yaml'}:2"
    assert rows["renewals.late_by_days"].origin.startswith("include/defaults/config/renewals.yaml:")
    assert rows["currency"].origin.startswith("include/defaults/config/settings.yaml:")
    assert rows["sources.0.owner.email"].origin.startswith("include/defaults/config/settings.yaml:")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("settings.yaml", "reporting_zone: Mars/Olympus\n", "not an IANA time zone"),
        ("settings.yaml", "currency: dollars\n", "settings.yaml:1: currency"),
        ("settings.yaml", "usage: {}\n", "unknown key"),
        ("settings.yaml", "disabled: true\n", "cannot be switched off"),
        ("people.yaml", "queue: {name: A, email: nobody}\n", "not an e-mail address"),
        ("channels.yaml", "teams: {fallback: teams}\n", "teams.fallback is teams itself"),
        ("chanels.yaml", "slack: {}\n", "did you mean channels.yaml?"),
        ("renewals.yaml", "contract_ways: [crm_us, deal, billing, company]\n", "contract_ways.*crm_us"),
        ("tracking_plan.yaml", f"version: 1\nevents: {{login: {PLANNED}}}\n", "usage.yaml:.*value_events.*api"),
        ("renewals.yaml", "contract_ways: [crm, crm, deal, billing, company]\n", "contract_ways.*once"),
    ],
)
def test_invalid_setting_is_rejected(overlay: Path, file: str, text: str, said: str) -> None:
    (overlay / file).write_text(text)
    with pytest.raises(ConfigError, match=said):
        load()


def test_missing_overlay_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "typo"))
    with pytest.raises(ConfigError, match="is not a folder"):
        load()


def test_listing_merges_both_trees(overlay: Path) -> None:
    (overlay / "usage.yaml").write_text("")
    found = files.listing("config", "*.yaml")
    assert found["usage.yaml"] == overlay / "usage.yaml"
    assert found["people.yaml"].is_relative_to(files.SHIPPED["config"])
    assert files.find("config", "usage.yaml") == overlay / "usage.yaml"
    assert files.find("config", "nothing.yaml") is None


def test_show_lists_mappings_and_overlay_files(overlay: Path) -> None:
    (overlay / "mappings").mkdir()
    (overlay / "mappings" / "hubspot.yaml").write_text(
        "entities:\n  account:\n    columns:\n      tier: segment\n      name: {property: name}\n"
    )
    own = overlay.parent / "sql" / "sources" / "product" / "usage_day.sql"
    own.parent.mkdir(parents=True)
    own.write_text("select 1")
    rows = {row.key: row for row in show()}
    mapped = rows["mappings.hubspot.entities.account.columns.tier"]
    assert (mapped.value, mapped.origin) == ("segment", f"{overlay / 'mappings' / 'hubspot.yaml'}:4")
    assert rows["mappings.hubspot.entities.account.columns.name.property"].value == "name"
    assert rows["sql/sources/product/usage_day.sql"].origin == str(own)
    assert not any(key.startswith("sql/") and "product" not in key for key in rows)
