"""The commands about customer value on a built world."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from include.cli.main import app


def _say(*words: str, exit_code: int = 0) -> str:
    said = CliRunner().invoke(app, ["score", *words])
    assert said.exit_code == exit_code, said.output
    return said.output


def test_a_value_and_its_parts(built: pytest.MonkeyPatch) -> None:
    found = json.loads(_say("value", "crm:1", "--json"))
    assert found["as_of"] == "2026-05-31"
    points = [Decimal(part["points"]) for part in found["parts"] if part["points"] != "-"]
    assert sum(points) == Decimal(found["score"])
    text = _say("value", "crm:1")
    assert "The points add up to" in text
    # Nobody has connected activities and invoices here, and no account says its size, brand or referrals.
    left_out = {part["dimension"] for part in found["parts"] if "no source brings it" in part["evidence"]}
    assert left_out == {"Company size", "Gross margin", "Influence", "Brand", "Payment record"}


def test_tiers_and_completeness(built: pytest.MonkeyPatch) -> None:
    assert "No source brings" in _say("completeness")
    found = json.loads(_say("completeness", "--json"))
    assert 0 < found["share"] < 1
    assert all(gap["n_accounts"] <= gap["n_needed"] for gap in found["gaps"])
    assert "Accounts without a tier are judged by 2026-05-31" in _say("tiers")
    assert json.loads(_say("tiers", "--json")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("value", "crm:404"), "crm:404 has no customer value score"),
        (("value", "crm:1", "--as-of", "2026-05-30"), "has no customer value score on 2026-05-30"),
    ],
)
def test_what_cannot_be_shown_is_said(
    built_once: str, built: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    said = CliRunner().invoke(app, ["score", *words])
    assert said.exit_code != 0
    assert message in f"{said.output}{said.exception}"
