"""Hand-off lists: audience, cap over touches and playbooks, hold-out, and the same file on every run."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide.touches import lists, store
from include.decide.touches.load import load
from include.warehouse.engine import engine
from tests.decide.touches.conftest import TouchBook, write
from tests.fixtures.decisions import at


def lines(name: str = "wake_up") -> list[dict[str, str]]:
    """Return the newest list of a touch."""
    with engine("reader").connect() as connection:
        found = store.get(connection, name)
        text = store.as_csv(store.lines(connection, name, found.day)) if found else ""
    return list(csv.DictReader(text.splitlines()))


def keys(name: str = "wake_up") -> set[str]:
    return {row["contact_key"] for row in lines(name)}


def counts(name: str = "wake_up") -> dict[str, int]:
    made = lists.plan(name).list
    assert made
    return dict(made.n_excluded)


def play(sql: str) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(sql)


def test_list_has_the_audience_in_its_languages(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)
    touch_book.contact(1, name='=cmd|"x"', email="A@x.example")
    touch_book.contact(2, language="German")
    touch_book.contact(3, account_number=9)
    made = lists.make(touch_book.signals.book.now)["wake_up"]
    assert made.is_new and made.list and (made.list.n_accounts, made.list.n_listed) == (2, 2)
    first, second = lines()
    assert (first["email"], first["name"], first["subject"]) == ("a@x.example", '\'=cmd|"x"', "Hello Customer 1")
    assert first["body_html"] == "Dear =cmd|&#34;x&#34;,<br> 70 days."
    assert (second["language"], second["subject"]) == ("de", "Hallo Customer 2")


def test_no_cell_is_a_formula_whatever_separator_a_spreadsheet_splits_at() -> None:
    found = store.line(["+1", "Foo;=cmd;x", "a|@b; -1", "＝1", "Anna-Maria", "=Dear Foo;=cmd,<br>&amp;-- A;-"])
    assert next(csv.reader([found])) == [
        "'+1", "Foo;'=cmd;x", "a|'@b; '-1", "'＝1", "Anna-Maria", "&#61;Dear Foo;&#61;cmd,<br>&amp;&#45;&#45; A;&#45;",
    ]  # fmt: skip


def test_account_with_other_scores_or_tier_is_not_in_the_audience(touch_book: TouchBook) -> None:
    touch_book.contact(1)
    touch_book.customers(1, score=3)
    assert lists.plan("wake_up").list.n_accounts == 0  # type: ignore[union-attr]
    touch_book.customers(1)
    play("update marts.act_account set tier = 'key_account'")
    assert lists.plan("wake_up").list.n_accounts == 0  # type: ignore[union-attr]


def test_address_that_bounced_at_any_record_is_not_written_to(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2, 3)
    touch_book.contact(1, email="Same@x.example")
    touch_book.contact(2, account_number=3, email="same@x.example", deleted=True, bounced=True)
    touch_book.contact(3, account_number=2)
    touch_book.contact(4, account_number=2, email=None, deleted=True, bounced=True)
    assert counts() == {"no_contact": 1, "bounced": 1}
    # A record without an account, too, but only its own address.
    touch_book.version("lone", email="C3@x.example", out=False, bounced=True)
    touch_book.contact(5, account_number=2)
    touch_book.version("further", email="z@x.example", other="c5@x.example", out=False, bounced=True)
    assert counts() == {"no_contact": 1, "bounced": 2}


def test_where_the_person_is_decides_the_rule(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)  # in Germany, where a consent is needed
    for number in (1, 2):
        touch_book.contact(number, consent=None)
    play("update core.contact set region = 'United States' where contact_key = 'crm:c2'")
    assert counts() == {"no_consent": 1}


def test_deleted_contact_is_no_contact_but_its_opt_out_counts(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)
    touch_book.contact(1, deleted=True)
    touch_book.contact(2, email="Same@x.example")
    touch_book.contact(3, email="same@x.example", deleted=True, out=True)
    assert counts() == {"no_contact": 1, "opted_out": 1}


def test_opt_out_of_a_record_without_account_counts_for_all_its_addresses(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        touch_book.contact(number, out=None if number == 4 else False)
    touch_book.version("lone", email="C1@x.example")
    touch_book.version("further", email="z@x.example", other="y@x.example,C2@x.example")
    touch_book.version("back", email="c3@x.example")
    touch_book.version("back", batch=2, email="c3@x.example", other="c4@x.example", out=False)
    assert counts() == {"opted_out": 2, "opt_out_unknown": 1}


def test_person_merged_into_a_record_with_another_address_stays_written_to_and_opted_out(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)
    touch_book.contact(1)
    touch_book.contact(2, out=True, deleted=True)
    now = touch_book.signals.book.now
    lists.make(now)
    play("update core.contact set is_deleted = true")
    for number in (1, 2):
        touch_book.contact(number + 5, account_number=number)
        further = {"email": f"c{number + 5}@x.example", "other": f"c{number}@x.example", "out": False}
        touch_book.version(f"c{number + 5}", batch=2, **further)
    made = lists.plan("wake_up", now + timedelta(days=1)).list
    assert made and dict(made.n_excluded) == {"opted_out": 1, "repeated": 1}


def test_second_run_and_a_run_after_changes_give_the_same_file(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)
    touch_book.contact(1)
    made = lists.make(touch_book.signals.book.now)["wake_up"].list
    first = lines()
    touch_book.contact(2)
    again = lists.make(touch_book.signals.book.now)["wake_up"]
    assert not again.is_new and again.list == made and lines() == first
    with engine("reader").connect() as connection:
        assert made and store.digest(store.lines(connection, "wake_up", made.day)) == made.sha256


def test_killed_run_stores_nothing_and_the_next_one_everything(
    touch_book: TouchBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch_book.customers(1)
    touch_book.contact(1)
    with monkeypatch.context() as patch:
        patch.setattr(lists, "_START", sa.text("select 1 / 0"))
        with pytest.raises(sa.exc.DBAPIError):
            lists.make(touch_book.signals.book.now)
    assert keys() == set()
    assert lists.make(touch_book.signals.book.now)["wake_up"].is_new and keys() == {"crm:c1"}


def test_file_leaves_out_blanked_lines(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2)
    touch_book.contact(1)
    touch_book.contact(2)
    lists.make(touch_book.signals.book.now)
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("update ops.touch_contact set line = '[erased]' where number = 1")
    assert keys() == {"crm:c2"} and len(lines()) == 1


def test_list_is_final_for_the_builder(touch_book: TouchBook) -> None:
    for statement in ("update ops.touch_contact set line = ''", "delete from ops.touch_list"):
        with pytest.raises(sa.exc.ProgrammingError):
            play(statement)


def test_cap_holds_over_touches_for_fourteen_days(touch_book: TouchBook, overlay: Path) -> None:
    write(overlay, name="zz_other")
    touch_book.customers(1)
    touch_book.contact(1)
    assert lists.make(touch_book.signals.book.now)["zz_other"].list.n_excluded == {"capped": 1}  # type: ignore[union-attr]
    touch_book.signals.set_clock(at(13))
    assert counts("zz_other") == {"capped": 1} and counts() == {"repeated": 1}
    touch_book.signals.set_clock(at(14))
    assert counts("zz_other") == {}
    lists.make(at(14))
    assert keys("zz_other") == {"crm:c1"}


def test_cap_holds_over_playbooks_by_contact_and_by_address(touch_book: TouchBook) -> None:
    touch_book.customers(1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        touch_book.contact(number)
    touch_book.contact(9, account_number=9, email="c2@x.example")
    play("insert into ops.playbook_version values ('key_contact_change', 1, '{}', '2026-01-01')")
    for key, entity, recipient, state in (
        ("a", "crm:c1", "csm@vendor.example", "sent"),
        ("b", "crm:c9", "csm@vendor.example", "planned"),
        ("c", "crm:c3", "csm@vendor.example", "suppressed"),
        ("d", "crm:c99", "C4@x.example", "sent"),
    ):
        play(
            "insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,"
            " recipient, subject, body, reads, not_after, state, decision_id, version, planned_at) values"
            f" ('{key}', 'crm_task', 'contact', '{entity}', 'key_contact_change', 1, 's', 'crm:1', '{recipient}', '',"
            f" '{{}}', '{{}}', now(), '{state}', 'd', 'v', '{at(-13).isoformat()}')"
        )
    assert counts() == {"capped": 3}
    touch_book.signals.set_clock(at(1))
    assert counts() == {}


def test_hold_out_is_assigned_before_the_list_and_keeps_its_accounts(touch_book: TouchBook, overlay: Path) -> None:
    write(overlay, "hold_out: 0.3")
    touch_book.customers(*range(1, 41))
    lists.make(touch_book.signals.book.now)
    for number in range(1, 41):
        touch_book.contact(number)
    touch_book.signals.set_clock(at(1))
    planned = lists.plan("wake_up").list
    made = lists.make(at(1))["wake_up"].list
    assert planned and made and planned.sha256 == made.sha256 and planned.made_at is None
    with engine("reader").connect() as connection:
        arms = connection.execute(sa.text("select account_key, arm, assigned_on from ops.experiment_account")).all()
        starts = connection.execute(
            sa.text("select account_key, arm, opened_on from ops.episode where arm <> ''")
        ).all()
    held = {row.account_key for row in arms if row.arm == "held_out"}
    assert len(arms) == 40 and abs(len(held) - 12) <= 1 and made.n_excluded == {"held_out": len(held)}
    assert {row["account_key"] for row in lines()} == {row.account_key for row in arms} - held
    assert {(row.account_key, row.arm) for row in starts} == {(row.account_key, row.arm) for row in arms}
    assert {row.assigned_on for row in arms} == {at(0).date()} and {row.opened_on for row in starts} == {at(1).date()}


def test_draft_makes_no_list_but_can_be_planned(touch_book: TouchBook, overlay: Path) -> None:
    path = overlay / "config" / "touches" / "wake_up.yaml"
    path.write_text(path.read_text().replace("status: live", "status: draft"))
    touch_book.customers(1)
    touch_book.contact(1)
    assert lists.make(touch_book.signals.book.now) == {}
    assert lists.plan("wake_up").list.n_listed == 1 and keys() == set()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("Dear", "A discount, dear", "body"),
        ('"Hallo', '"Rabatt', "languages.de.subject"),
        ("recency <= 2", "recencies <= 2", "when"),
        ("[asleep]", "[aslep]", "segments.0"),
        ("{{ contact_name }}", "{{ contact_names }}", "body"),
    ],
)
def test_wrong_touch_is_rejected_with_its_place(overlay: Path, old: str, new: str, place: str) -> None:
    write(overlay)
    path = overlay / "config" / "touches" / "wake_up.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=rf"wake_up.yaml:\d+: {place}"):
        load()


def test_touch_may_not_have_the_name_of_a_signal(overlay: Path) -> None:
    write(overlay, name="bad_rating")
    with pytest.raises(ConfigError, match="name"):
        load()
