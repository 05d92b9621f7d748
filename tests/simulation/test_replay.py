"""Replays of the small world: the last day equals today's tables, and rules open as they would have."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common import paths
from include.common.errors import ConfigError
from include.decide.playbooks.load import load as load_playbooks
from include.decide.signals.load import load as load_signals
from include.simulation import playbooks, signals
from include.simulation.history import replayed
from include.warehouse.engine import engine

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=3)
ALWAYS = """
name: always
version: 1
status: draft
title: Always
why: It holds for every customer.
kind: opportunity
about: account
open: arr > 0
close: arr <= 0
first_scan: notify
subject: "{{ account_name }}"
evidence: ["{{ arr | number }}"]
next_steps: ["-"]
"""


def test_last_day_equals_the_current_tables(built: pytest.MonkeyPatch) -> None:
    with replayed(FIRST, LAST, {"account", "contact", "former", "renewal"}) as history:
        for about in ("account", "contact", "former", "renewal"):
            table = history.table(about)
            today = table.name.replace("pg_temp.past_renewal", "marts.act_renewal_checkpoint")
            today = today.replace("pg_temp.past_former", "marts.act_former_account")
            today = today.replace("pg_temp.past_", "marts.act_")
            columns = ", ".join(table.columns)
            there = f"select {columns} from {today}"
            here = f"select {columns} from {table.name} where as_of_day = '{LAST}'"
            for one, other in ((there, here), (here, there)):
                assert not history.connection.exec_driver_sql(f"{one} except {other}").all(), about
        days = history.connection.exec_driver_sql("select distinct as_of_day from past_account").scalars().all()
        assert sorted(days) == history.days
    with engine("reader").connect() as connection:
        assert connection.execute(sa.text("select count(*) from ops.episode")).scalar() == 0


def test_signals_and_playbooks_day_by_day(built: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"])
    (folder / "config" / "signals").mkdir()
    (folder / "config" / "signals" / "always.yaml").write_text(ALWAYS)
    (folder / "playbooks").mkdir()
    text = (paths.ROOT / "include" / "defaults" / "playbooks" / "expansion.yaml").read_text()
    text = text.replace("signals: [seats_nearly_full]", "signals: [always]").replace("live", "draft")
    (folder / "playbooks" / "expansion.yaml").write_text(text.replace("exit: {", "first_scan: start\nexit: {"))
    with replayed(FIRST, LAST, {"account"}) as history:
        past = signals.replay(history, {"always": load_signals()["always"]})
        touches = playbooks.replay(history, load_playbooks()["expansion"], past.episodes)
        n_customers = history.connection.exec_driver_sql(
            "select count(distinct account_key) from past_account where arr > 0"
        ).scalar_one()
    assert n_customers and len({each.account_key for each in past.notified}) == n_customers
    assert {touch.account_key for touch in touches} == {each.account_key for each in past.notified}
    assert len(touches) == len(past.notified)
    page = folder / "page.html"
    assert (
        main(["playbook", "simulate", "expansion", "--from", f"{FIRST}", "--to", f"{LAST}", "--html", f"{page}"]) == 0
    )
    assert "<svg" in page.read_text() and "Against the plain rule" in page.read_text()

    capsys.readouterr()
    days = ["--from", f"{FIRST}", "--to", f"{LAST}"]
    assert main(["signals", "simulate", "always", *days, "--html", f"{page}", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["signals"]
    assert (row["signal"], row["opened"], row["accounts"]) == ("always", len(past.notified), n_customers)
    assert "<svg" in page.read_text()
    assert main(["signals", "simulate", "sometimes", *days]) != 0
    assert "unknown signal sometimes" in capsys.readouterr().err


def test_unbuilt_days_are_rejected(built: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="cannot be replayed"), replayed(date(2020, 1, 1), LAST, {"account"}):
        pass
