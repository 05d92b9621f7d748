"""The commands about customer value on a built world."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from include.cli.main import app
from include.models import build
from tests.fixtures import small_world as world


def _say(*words: str, exit_code: int = 0) -> str:
    said = CliRunner().invoke(app, ["score", *words])
    assert said.exit_code == exit_code, said.output
    return said.output


def test_explain_value_and_its_parts(built: pytest.MonkeyPatch) -> None:
    found = json.loads(_say("value", "crm:1", "--json"))
    assert found["as_of"] == "2026-05-31"
    points = [Decimal(part["points"]) for part in found["parts"] if part["points"] != "-"]
    assert sum(points) == Decimal(found["score"])
    text = _say("value", "crm:1")
    assert "The points add up to" in text
    # Activities and invoices are not connected here, and no account has size, brand or referrals.
    left_out = {part["dimension"] for part in found["parts"] if "no source provides it" in part["evidence"]}
    assert left_out == {"Company size", "Gross margin", "Influence", "Brand", "Payment record"}


def test_newly_mapped_field_enters_every_score(built: pytest.MonkeyPatch) -> None:
    before = {key: json.loads(_say("value", key, "--json")) for key in ("crm:1", "crm:2")}
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    world.load("account", world.account("1", tier="key_account", employees=800))
    assert isinstance(build.run("with a size"), build.Finished)
    after = {key: json.loads(_say("value", key, "--json")) for key in before}
    size = {key: found["parts"][1] for key, found in after.items()}
    assert size["crm:1"]["dimension"] == "Company size"
    # The version was known on 10 June; the first one applies to earlier days.
    assert {key: part["evidence"] for key, part in size.items()} == {"crm:1": "not known", "crm:2": "not known"}
    assert all(after[key]["coverage"] < before[key]["coverage"] for key in before)
    assert any("Company size" in gap["figure"] for gap in json.loads(_say("completeness", "--json"))["gaps"])


def test_tiers_and_completeness(built: pytest.MonkeyPatch) -> None:
    assert "No source provides" in _say("completeness")
    found = json.loads(_say("completeness", "--json"))
    assert 0 < found["share"] < 1
    assert all(gap["n_accounts"] <= gap["n_needed"] for gap in found["gaps"])
    assert "Accounts without a tier are judged as of 2026-05-31" in _say("tiers")
    assert json.loads(_say("tiers", "--json")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("value", "crm:404"), "crm:404 has no customer value score"),
        (("value", "crm:1", "--as-of", "2026-05-30"), "has no customer value score on 2026-05-30"),
    ],
)
def test_unavailable_values_are_reported(
    built_once: str, built: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    said = CliRunner().invoke(app, ["score", *words])
    assert said.exit_code != 0
    assert message in f"{said.output}{said.exception}"
