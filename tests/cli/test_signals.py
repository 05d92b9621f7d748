"""The command ``signals``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from include.cli.main import app


def run(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, ["signals", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.usefixtures("warehouse")
def test_signals_list_shows_one_per_line_with_its_inputs() -> None:
    lines = {line.split("\t")[0]: line.split("\t") for line in run()}
    assert len(lines) == 23
    assert lines["renewal"][5] == "Renewal checkpoint reached, or notice deadline near"
    assert lines["invoice_overdue"][4] == "not available: needs invoice"
    assert lines["email_bounced"][4] == "not available: needs email_bounce"
    rows = json.loads("\n".join(run("--json")))
    assert {row["name"] for row in rows} == lines.keys()


def test_signals_show_prints_the_effective_signal() -> None:
    assert run("show", "usage_down")[0] == "# include/defaults/config/signals/usage_down.yaml"
