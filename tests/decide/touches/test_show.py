"""Who sees lists: on the page, as a file, by command; and the experiment of a touch."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.decide.touches import lists
from include.experiments import overview
from include.pages import playbooks, touches
from include.warehouse.engine import engine
from tests.decide.touches.conftest import TouchBook, write
from tests.fixtures.decisions import OVERLAY, at


@pytest.fixture
def listed(touch_book: TouchBook) -> None:
    """A list with contacts of two accounts, of which another is excluded."""
    touch_book.customers(1, 2, 3)
    for number in (1, 2):
        touch_book.contact(number)
    touch_book.contact(3, out=True)
    with engine("builder").begin() as connection:
        connection.execute(sa.text("update core.account set owner_key = 'crm:7' where account_key = 'crm:2'"))
    lists.make(touch_book.signals.book.now)


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        (Viewer(role="head"), {"crm:c1", "crm:c2"}),
        (Viewer(role="csm", owner="crm:7"), {"crm:c2"}),
        (Viewer(role="csm", owner="crm:8"), set()),
    ],
)
def test_file_is_limited_to_the_viewers_accounts(listed: None, viewer: Viewer, seen: set[str]) -> None:
    header, *lines = touches.csv(viewer, "wake_up").splitlines()
    assert header.startswith("contact_key,account_key") and {line.split(",")[0] for line in lines} == seen


@pytest.mark.parametrize("role", ["executive", "operator", "region"])
def test_roles_that_see_no_persons_get_no_file(listed: None, role: Any) -> None:
    with pytest.raises(ConfigError):
        touches.csv(Viewer(role=role, regions=("Germany",) if role == "region" else ()), "wake_up")


def test_page_counts_the_viewers_contacts_and_all_exclusions(listed: None) -> None:
    seen = {row.touch.name: row for row in playbooks.read(Viewer(role="csm", owner="crm:7")).touches}
    assert [n for _, n in seen["wake_up"].lists] == [1] and seen["wake_up"].excluded == [("opted out", 1)]
    assert not seen["small_asleep"].lists


def test_lists_are_shown_while_their_contacts_are_capped(
    listed: None, touch_book: TouchBook, capsys: pytest.CaptureFixture[str]
) -> None:
    touch_book.signals.set_clock(at(1))
    lists.make()  # of nobody
    touch_book.signals.set_clock(at(2))
    touch_book.contact(4, account_number=3)
    lists.make()

    def days(clock: int) -> list[tuple[date, int]]:
        touch_book.signals.set_clock(at(clock))
        (row,) = (row for row in playbooks.read(Viewer(role="head")).touches if row.touch.name == "wake_up")
        capsys.readouterr()
        assert main(["touches", "list", "--json"]) == 0
        told = [row.get("day") for row in json.loads(capsys.readouterr().out) if row["name"] == "wake_up"]
        assert told == [str(one.day) for one, _ in row.lists]
        return [(one.day, n) for one, n in row.lists]

    first, later = (at(0).date(), 2), (at(2).date(), 1)
    assert days(13) == [later, first] and days(14) == days(200) == [later]
    file = touches.csv(Viewer(role="head"), "wake_up", first[0])
    assert [line.split(",")[0] for line in file.splitlines()] == ["contact_key", "crm:c1", "crm:c2"]


def test_commands(listed: None, overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["touches", "list"]) == 0 and "opted_out 1" in capsys.readouterr().out
    assert main(["touches", "plan", "wake_up"]) == 0 and "wake_up" in capsys.readouterr().out
    assert main(["touches", "plan", "wake"]) == 2
    assert main(["touches", "show", "wake_up", "--day", "yesterday"]) == 2
    capsys.readouterr()
    assert main(["touches", "make"]) == 0 and "opted_out 1" in capsys.readouterr().out


def test_hold_out_is_read_like_that_of_a_playbook(
    touch_book: TouchBook, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "wake_up" not in overview.of("")
    write(overlay, "hold_out: 0.3")
    touch_book.customers(*range(1, 11))
    lists.make(touch_book.signals.book.now)
    with engine("reader").connect() as connection:
        entry = overview.read(connection, overview.of(""))["wake_up"]
        # The page reads playbooks and touches together.
        read = overview.read
        calls: list[Any] = []
        monkeypatch.setattr(overview, "read", lambda *given: calls.append(given) or read(*given))
        seen = playbooks.read(Viewer(role="head"))
    assert len(calls) == 1 and seen.rows and seen.touches and seen.unmeasured
    assert entry.plan is None and entry.rule.design["hold_out"] == 0.3


def test_account_property_names_the_touch_only_if_all_contacts_are_listed(touch_book: TouchBook, overlay: Path) -> None:
    customers = (1, 2, 4, 5, 7, 8, 9)
    touch_book.customers(*customers)
    for number in customers:
        touch_book.contact(number, consent=None if number == 9 else "yes")
    _contact("region = 'United States'", 9)
    touch_book.contact(3, account_number=2, out=True)
    lists.make(touch_book.signals.book.now)
    fields = "crm_field: {dry_run: false, fields: {crm: {p_touch: touch}}}\n"
    (overlay / "config" / "channels.yaml").write_text(f"{OVERLAY['channels.yaml']}{fields}")

    def written(day: int) -> dict[str, Any]:
        touch_book.signals.set_clock(at(day))
        touch_book.signals.book.decide(decision_id=f"day {day}")
        found = touch_book.signals.book.outbox(channel="crm_field", state="planned")
        return {row.account_key: row.body["fields"]["p_touch"] for row in found}

    nobody = dict.fromkeys(f"crm:{number}" for number in customers)
    assert written(1) == {**dict.fromkeys(nobody, "wake_up"), "crm:2": None}
    touch_book.contact(6, account_number=4, consent=None)
    touch_book.version("c5", batch=2, email="c5@x.example")
    _contact("consent = 'no'", 7)
    touch_book.version("c8", batch=2, email="c8@x.example", out=False, bounced=True)
    _contact("region = null", 9)
    assert written(2) == {**nobody, "crm:1": "wake_up"}
    assert written(14) == nobody


def _contact(change: str, number: int) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(f"update core.contact set {change} where contact_key = 'crm:c{number}'")
