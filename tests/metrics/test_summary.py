"""The headline numbers and the command that prints them."""

from __future__ import annotations

from datetime import date

import pytest

from include.cli import build as build_command
from include.common.errors import ConfigError
from include.metrics.summary import summarize
from include.models import registry


def test_headline_is_read_from_the_marts(built: pytest.MonkeyPatch) -> None:
    found = summarize(days=100)
    assert found is not None
    assert found.as_of == date(2026, 6, 10)
    figures = {figure.metric_id: figure for figure in found.figures}
    # Account 1 has 1,200 and account 3 has 100 a month; account 2's 2,400 wait for their late renewal.
    assert figures["arr"].shown("USD") == "2,400 USD"
    assert figures["kept_arr"].value == 4800
    assert (figures["activity_rate"].numerator, figures["activity_rate"].denominator) == (2, 2)
    assert figures["activity_rate"].shown() == "100.0%"
    # Account 1 is due on 15 September, account 3 on 30 June (its next month is not known yet).
    assert found.renewals_due
    assert (found.renewals_due.n_due, found.renewals_due.open_arr) == (2, 2400)


def test_no_headline_before_the_first_build(warehouse: str) -> None:
    assert summarize() is None


def test_summary_command_states_its_result(built: pytest.MonkeyPatch) -> None:
    assert list(build_command.run("", "", "")) == ["nothing to build: nothing changed since the last build"]
    said = list(build_command.run("2026-05-01", "2026-05-02", "mine"))
    assert said[0] == "build mine: rebuild of 2026-05-01 to 2026-05-02"
    assert said[-1].startswith(f"built {len(registry.names())} tables up to 2026-06-10 in ")
    with pytest.raises(ConfigError, match="comes before"):
        list(build_command.run("2026-05-02", "2026-05-01", ""))
    with pytest.raises(ConfigError, match="is not a day"):
        list(build_command.run("yesterday", "", ""))
