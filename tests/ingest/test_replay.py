"""Manual handling of quarantined rows, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include import config
from include.cli.main import main
from include.common.errors import ConfigError, Unavailable
from include.contracts import catalogue
from include.gate import verdicts
from include.ingest import held_batches, pipeline, quarantine
from include.ingest import replay as fix
from include.ingest.quarantine import RowFilter
from include.operations import retention
from include.pages import quarantine_review
from include.warehouse.engine import engine
from tests.contracts.landed import LATELY, NOW, batch, fetch, good, land
from tests.fixtures.databases import template

RULE = "crm.opportunity.notice_months_plausible"
WHICH = RowFilter(rule=RULE, source="crm")


@pytest.fixture(scope="module")
def own_template(postgres: str, raw_template: str) -> Iterator[str]:
    """A CRM with an account, and an opportunity whose notice period of 90 months broke a rule."""

    def fill(patch: pytest.MonkeyPatch) -> None:
        patch.setenv("PERENNIAL_NOW", NOW.isoformat())
        land("account", good("account", 3), is_first_load=True)
        _land([row | ({"notice_months": 90} if row["id"] == "1" else {}) for row in good("opportunity", 3)])

    with template(postgres, "replay", raw_template, fill) as name:
        yield name


@pytest.fixture(autouse=True)
def crm(own_template: str, warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it, at the same time."""
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())


def _land(rows: list[dict], **batch_values) -> int:
    batch_id = land("opportunity", [row | {"payload": {}} for row in rows], **batch_values)
    pipeline.validate("crm")
    pipeline.merge("crm")
    return batch_id


def _states() -> list[tuple]:
    rows = fetch("select record_id, rule_id, state from quarantine.record order by quarantine_id")
    return [(row["record_id"], row["rule_id"].split(".")[2], row["state"]) for row in rows]


def _stored() -> set[str]:
    return {row["id"] for row in fetch("select id from raw.hubspot__opportunity where not _is_deleted")}


def _lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule for rule in catalogue.of_entity("opportunity") if rule.id != RULE]
    monkeypatch.setattr(catalogue, "of_entity", lambda name: tuple(rules))


def test_row_is_merged_once_its_rule_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _stored() == {"2", "3"} and "crm:1" in verdicts.quarantined(["crm"])
    cursor = fetch("select position, read_until, updated_at from meta.cursor where entity = 'opportunity'")
    _lenient(monkeypatch)
    found = fix.replay(WHICH)
    assert (found.n_rows, found.n_merged, found.n_bad, found.n_without_row) == (1, 1, 0, 0)
    assert _stored() == {"1", "2", "3"} and "crm:1" not in verdicts.quarantined(["crm"])
    assert _states() == [("1", "notice_months_plausible", "resolved")]
    # The read position is unaffected.
    assert fetch("select position, read_until, updated_at from meta.cursor where entity = 'opportunity'") == cursor
    with pytest.raises(ConfigError, match="no quarantined row matches"):
        fix.replay(WHICH)


def test_row_still_invalid_stays_and_is_counted_once() -> None:
    since = fetch("select quarantined_at from quarantine.record")
    for _ in range(2):
        assert (fix.replay(WHICH).n_bad, _states()) == (1, [("1", "notice_months_plausible", "open")])
    assert fetch("select quarantined_at from quarantine.record") == since
    assert "crm:1" in verdicts.quarantined(["crm"])


def test_replayed_row_never_overwrites_a_newer_version(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = good("opportunity")[0] | {"amount": 15000, "_source_at": LATELY + timedelta(hours=1)}
    with engine("loader").begin() as connection:  # the good version arrived, but its note was lost
        _land([newer])
        connection.execute(sa.text("update quarantine.record set state = 'open', resolved_by = null"))
    _lenient(monkeypatch)
    fix.replay(WHICH)
    assert fetch("select amount from raw.hubspot__opportunity where id = '1'") == [{"amount": 15000}]


def test_replay_killed_after_filling_is_resumed_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    _lenient(monkeypatch)

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "validate", dies)
        with pytest.raises(KeyboardInterrupt):
            fix.replay(WHICH)
        with pytest.raises(KeyboardInterrupt):
            fix.replay(WHICH)
    # Called twice, only one batch waits; the ordinary run merges it.
    assert [row["n_rows"] for row in fetch("select n_rows from meta.batch where is_replay")] == [1]
    pipeline.validate("crm")
    pipeline.merge("crm")
    assert _stored() == {"1", "2", "3"} and _states()[0][2] == "resolved"


def test_no_replay_into_an_unfinished_read() -> None:
    land("opportunity", good("opportunity"), state="landing", cursor_after=None)
    with pytest.raises(Unavailable, match=r"a read of crm\.opportunity is unfinished"):
        fix.replay(WHICH)


def test_rows_stored_without_values_are_counted() -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update quarantine.record set record = null"))
    found = fix.replay(WHICH)
    assert (found.n_rows, found.n_without_row, found.batches) == (0, 1, ())
    assert quarantine.listing(RowFilter())[0]["n_without_row"] == 1
    assert fetch("select 1 from meta.batch where is_replay") == []


def test_replay_waits_behind_a_held_batch_and_survives_its_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    held_id = land("opportunity", good("opportunity"), state="held", validated_at=NOW)
    _lenient(monkeypatch)
    assert fix.replay(WHICH).n_waiting == 1
    held_batches.drop(held_id, reason="half", by="ada")
    assert [row["state"] for row in fetch("select state from meta.batch where is_replay")] == ["dropped"]
    assert _states() == [("1", "notice_months_plausible", "open")]
    assert fix.replay(WHICH).n_merged == 1


def test_waiver_admits_rows_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    until = NOW + timedelta(days=10)
    waiver_id, found = fix.waive(WHICH, reason="a real one", by="ada", until=until)
    assert (found.n_merged, found.n_bad) == (1, 0) and "1" in _stored()
    assert "crm:1" not in verdicts.quarantined(["crm"]) and _states()[-1][2] == "waived"
    # A later bad row is admitted too, and recorded.
    _land([good("opportunity")[0] | {"id": "9", "notice_months": 77}])
    assert "9" in _stored() and _states()[-1] == ("9", "notice_months_plausible", "waived")
    assert [(row["n_rows"], row["approved_by"], row["is_in_force"]) for row in quarantine.waivers()] == [
        (2, "ada", True)
    ]
    monkeypatch.setenv("PERENNIAL_NOW", (until + timedelta(hours=1)).isoformat())
    assert "crm:1" in verdicts.quarantined(["crm"])
    _land([good("opportunity")[0] | {"id": "10", "notice_months": 77}])
    assert "10" not in _stored()
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())
    assert "crm:2" not in verdicts.quarantined(["crm"])
    quarantine.end_waiver(waiver_id, by="ada")
    monkeypatch.setenv("PERENNIAL_NOW", (NOW + timedelta(minutes=1)).isoformat())
    assert "crm:1" in verdicts.quarantined(["crm"])
    with pytest.raises(ConfigError, match="no active waiver"):
        quarantine.end_waiver(waiver_id, by="ada")


def test_a_waiver_that_is_asked_for_twice_is_one() -> None:
    """Such as by a task that is cleared: to end one of two would end nothing."""
    both = {fix.waive(WHICH, reason="a real one", by="ada", until=NOW + timedelta(days=1))[0] for _ in range(2)}
    assert len(both) == 1
    quarantine.end_waiver(both.pop(), by="ada")
    assert not [one for one in quarantine.waivers() if one["is_in_force"]]


def test_a_record_is_given_up_in_one_source_and_entity_only() -> None:
    """Ids are numbers: a desk's ticket 1 is another record than the CRM's opportunity 1."""
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)"
            " values (9, 1, 'support', 'ticket', '1', 'r', 'bad', '{}')"
        )
    with pytest.raises(ConfigError, match=r"1 is a record of crm.opportunity and support.ticket: nothing was dropped"):
        fix.drop(RowFilter(record="1"), reason="a test record", by="ada")
    assert fix.drop(RowFilter(record="1", source="crm"), reason="a test record", by="ada") == 1
    assert fetch("select source, state from quarantine.record order by source") == [
        {"source": "crm", "state": "dropped"}, {"source": "support", "state": "open"},
    ]  # fmt: skip


def test_waiver_covers_only_its_record() -> None:
    fix.waive(RowFilter(RULE, "crm", "8"), reason="a real one", by="ada", until=NOW + timedelta(days=1))
    _land([row | {"notice_months": 77} for row in good("opportunity", 2, first=8)])
    assert _states()[-2:] == [("8", "notice_months_plausible", "waived"), ("9", "notice_months_plausible", "open")]


@pytest.mark.parametrize(
    ("which", "reason", "days", "expected"),
    [
        (WHICH, " ", 1, "a reason is required"),
        (RowFilter(rule=RULE), "why", 1, "one rule of one source"),
        (WHICH, "why", 0, "would already have ended"),
        (RowFilter("crm.opportunity.castable", "crm"), "why", 1, "cannot be waived"),
    ],
)
def test_waiver_requires_all_fields(which: RowFilter, reason: str, days: int, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        quarantine.waive(which, reason=reason, by="ada", until=NOW + timedelta(days=days))


def test_discarded_row_stays_out_until_it_changes() -> None:
    assert fix.drop(WHICH, reason="a test record", by="ada") == 1
    assert "crm:1" not in verdicts.quarantined(["crm"])
    _land([good("opportunity")[0] | {"notice_months": 90}])
    assert "1" not in _stored() and {state for _, _, state in _states()} == {"dropped"}
    assert "crm:1" not in verdicts.quarantined(["crm"])
    _land([good("opportunity")[0] | {"notice_months": 90, "_source_at": LATELY + timedelta(minutes=1)}])
    assert _states()[-1][2] == "open" and "crm:1" in verdicts.quarantined(["crm"])


def test_accounts_of_a_dropped_batch_wait_for_the_reread() -> None:
    bad = [row | {"notice_months": 90} for row in good("opportunity", 25, first=100)]
    batch_id = _land([row | {"account_id": "2"} for row in bad])
    assert batch(batch_id)["state"] == "held" and "crm:2" in verdicts.quarantined(["crm"])
    held_batches.drop(batch_id, reason="half an export", by="ada")
    assert "crm:2" in verdicts.quarantined(["crm"])
    # Neither a replay nor an unfinished read counts as a read.
    fix.replay(WHICH)
    _land([], cursor_after=None, read_mark='{"at": "here"}')
    assert "crm:2" in verdicts.quarantined(["crm"])
    _land([row | {"account_id": "2"} for row in good("opportunity", 20, first=100)])
    assert "crm:2" not in verdicts.quarantined(["crm"]) and "crm:1" in verdicts.quarantined(["crm"])


def test_batch_held_beyond_deletion_retention_is_followed_by_a_full_read() -> None:
    def owed() -> list[str]:
        return [
            row["full_refresh_reason"]
            for row in fetch("select full_refresh_reason from meta.cursor where entity = 'opportunity'")
        ]

    lately = land(
        "opportunity", good("opportunity"), state="held", opened_at=NOW - timedelta(days=29), validated_at=NOW
    )
    held_batches.drop(lately, reason="half", by="ada")
    assert owed() == [""]
    old = land("opportunity", good("opportunity"), state="held", opened_at=NOW - timedelta(days=31), validated_at=NOW)
    held_batches.accept(old, reason="it is right", by="ada")
    assert "reports deletions for only 30 days" in owed()[0]
    pipeline.merge("crm")
    assert owed()[0]
    full = land("opportunity", good("opportunity", 3), is_full=True)
    with engine("loader").begin() as connection:
        connection.execute(sa.text(f"create table raw.seen_{full} as select id from raw.batch_{full}"))
    pipeline.validate("crm")
    pipeline.merge("crm")
    assert owed() == [""]


def test_old_quarantined_row_loses_its_values_but_stays_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = timedelta(days=config.load().retention.quarantine_values)
    for days, is_kept in ((-1, True), (1, False)):
        monkeypatch.setenv("PERENNIAL_NOW", (NOW + kept + timedelta(days=days)).isoformat())
        retention.run_housekeeping()
        assert fetch("select state, record is not null as kept from quarantine.record") == [
            {"state": "open", "kept": is_kept}
        ]
    assert "crm:1" in verdicts.quarantined(["crm"])
    assert quarantine.listing(RowFilter())[0]["n_without_row"] == 1


HELD = {"action": "accept batch", "batch": 0, "reason": "right"}
WAIVED = {"action": "waive", "rule": RULE, "source": "crm", "until": "2026-12-01", "reason": "a real one"}


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ({"action": "accept batch", "reason": "right"}, "accept batch needs the number"),
        ({"action": "drop batch", "batch": None}, "drop batch needs the number"),
        ({"action": "drop batch", "batch": 4711, "reason": "half"}, "unknown batch 4711"),
        ({"action": "drop", "rule": RULE, "reason": " "}, "a reason is required"),
        ({"action": "drop", "reason": "all of it"}, "no rule or record given"),
        (WAIVED | {"until": None}, "needs an end date"),
        (WAIVED | {"until": "soon"}, "Until 'soon' is not a date"),
        (WAIVED | {"until": "2026-11-20"}, "would already have ended"),
        (WAIVED | {"source": ""}, "one rule of one source"),
        (WAIVED | {"rule": RULE + "s"}, "unknown rule"),
        ({"action": "replay", "rule": "crm.opportunity.nosuch"}, "no quarantined row matches"),
        ({"action": "forget"}, "unknown action 'forget'"),
    ],
)
def test_invalid_form_input_is_reported_and_changes_nothing(asked: dict, lacking: str) -> None:
    with pytest.raises(ConfigError, match=lacking):
        quarantine_review.decide(asked, by="ada")
    assert _states() == [("1", "notice_months_plausible", "open")] and quarantine.waivers() == []


def test_form_lists_waiting_rows_and_changes_nothing() -> None:
    held = land("opportunity", good("opportunity", 1, first=40), state="held", validated_at=NOW, hold_reason="half")
    before = fetch("select * from quarantine.record")
    everything = quarantine_review.decide({"action": "show"}, by="ada")
    assert f"batch {held} of crm.opportunity, 1 rows: half" in everything and f"{RULE} of crm: 1 open" in everything
    one = quarantine_review.decide({"action": "show", "rule": RULE}, by="ada")
    assert f"{RULE}, record 1, open: " in one and "notice_months=" in one
    assert quarantine_review.decide({"action": "show", "batch": held}, by="ada").startswith(
        f"batch {held} of crm.opportunity is held"
    )
    with pytest.raises(ConfigError, match="unknown batch 4711"):
        quarantine_review.decide({"action": "show", "batch": 4711}, by="ada")
    assert fetch("select * from quarantine.record") == before and batch(held)["state"] == "held"


def test_form_waiver_is_recorded_under_its_author() -> None:
    said = quarantine_review.decide(WAIVED, by="ada")
    assert said.endswith("in force until 2026-12-01; 1 rows validated again: 1 merged, 0 still bad")
    (waiver,) = quarantine.waivers()
    assert (waiver["approved_by"], waiver["reason"], f"{waiver['until']:%Y-%m-%d}") == (
        "ada",
        "a real one",
        "2026-12-01",
    )
    assert "1" in _stored()


def test_form_replays_and_discards_rows() -> None:
    assert (
        quarantine_review.decide({"action": "replay", "rule": RULE}, by="ada")
        == "1 rows validated again: 0 merged, 1 still bad"
    )
    said = quarantine_review.decide({"action": "drop", "record": "1", "reason": "a test"}, by="ada")
    assert said == "1 rows dropped"
    assert fetch("select decided_by, decision_reason from quarantine.record") == [
        {"decided_by": "ada", "decision_reason": "a test"}
    ]


def test_form_decides_held_batches() -> None:
    first, second = (
        land(
            "opportunity",
            [row | {"payload": {}} for row in good("opportunity", 1, first=n)],
            state="held",
            validated_at=NOW,
        )
        for n in (40, 50)
    )
    assert quarantine_review.decide(HELD | {"batch": first}, by="ada").startswith(f"batch {first} is merged; crm is ")
    assert "40" in _stored() and "50" not in _stored()
    said = quarantine_review.decide({"action": "drop batch", "batch": str(second), "reason": "half"}, by="ada")
    assert said == f"dropped {second}; the next ingest run reads them again"
    decided = fetch(
        "select state, decided_by, decision_reason from meta.batch where decided_by <> '' order by batch_id"
    )
    assert [tuple(row.values()) for row in decided] == [("merged", "ada", "right"), ("dropped", "ada", "half")]


def test_commands_list_and_count_without_personal_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    row = good("contact")[0] | {"_problems": ["email=anna.holm@aeroe-shipping.example"], "payload": {}}
    land("contact", [row], is_first_load=True)
    pipeline.validate("crm")
    assert main(["quarantine", "list"]) == 0
    listed = capsys.readouterr().out
    assert RULE in listed and "CRM administrator" in listed
    assert main(["quarantine", "show", "crm.contact.castable"]) == 0
    shown = capsys.readouterr().out
    assert "***" in shown and "COO" in shown and "anna" not in shown.lower()
    assert main(["quarantine", "trend", "--by", "owner", "--days", "2"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.split() == ["2026-11-20", "CRM", "administrator", "2", "0", "2"]
    assert main(["quarantine", "drop", RULE, "--reason", "a test", "--by", "ada"]) == 0
    assert main(["quarantine", "waive", RULE, "--source", "crm", "--reason", "x"]) == 2
    assert "not a date" in capsys.readouterr().err
