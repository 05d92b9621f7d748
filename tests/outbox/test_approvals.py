"""Actions above a run's caps wait for approval, and a run can be recalled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.cli.main import main
from include.common.errors import ConfigError
from include.config import load
from include.deliver import deliver, undo
from include.outbox import approvals, authors, caps
from include.warehouse.engine import engine
from tests.deliver.example_messages import action
from tests.fixtures.decision_world import Book
from tests.fixtures.overlay_repository import Repository, names
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW, renewal

SOON = NOW + timedelta(minutes=1)


def _caps(overlay: Path, **values: Any) -> None:
    (overlay / "config" / "caps.yaml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()))


def _flood(book: Book, overlay: Path, **values: Any) -> approvals.Approval:
    """Plan two messages and a task for each of three renewals, with a cap of six."""
    _caps(overlay, **(values or {"actions_per_run": 6}))
    book.renewals(renewal(1, days=60), renewal(2, days=30), renewal(3, days=90))
    decision = book.decide(decision_id="flood", by="mallory")
    assert decision.n_parked == 3 and decision.n_planned == 6
    (asked,) = approvals.find()
    assert asked.approval_id == decision.approval_id
    return asked


def _states(book: Book) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in book.outbox():
        found.setdefault(row.state, []).append(row.entity_id)
    return {state: sorted(ids) for state, ids in found.items()}


def test_only_actions_above_a_cap_wait_and_nearest_deadlines_go_first(
    live_book: Book, receivers: Receivers, overlay: Path
) -> None:
    asked = _flood(live_book, overlay)
    assert _states(live_book) == {"planned": ["C-1#2"] * 3 + ["C-2#2"] * 3, "parked": ["C-3#2"] * 3}
    assert (asked.n_actions, asked.n_accounts, asked.reason) == (3, 1, "the cap of 6 actions per run")
    # The others are sent meanwhile, and a new decision neither plans nor asks again.
    assert deliver.deliver(now=SOON).n_sent == 6
    assert live_book.decide(decision_id="next").n_parked == 0
    assert len(approvals.find()) == 1 and deliver.deliver(now=SOON).n_sent == 0
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert deliver.deliver(now=SOON).n_sent == 3
    assert len(receivers.received()) == 9


def test_share_of_the_book_caps_accounts_not_messages(live_book: Book, overlay: Path) -> None:
    asked = _flood(live_book, overlay, share_of_book=0.7, accounts_at_least=0)
    assert asked.reason == "the cap of 2 accounts per run, with 3 customers"
    assert _states(live_book)["parked"] == ["C-3#2"] * 3


def test_restarted_run_gets_no_second_allowance(book: Book) -> None:
    limits = load().caps.model_copy(update={"actions_per_run": 3, "accounts_at_least": 100})
    first = [action(entity_id=str(number), account_key=f"crm:{number}") for number in range(3)]
    second = [action(entity_id=str(number), account_key=f"crm:{number}") for number in range(3, 5)]
    with engine("builder").begin() as connection:
        from include.outbox import store

        assert caps.split(connection, first, "run", limits, 10).above == []
        store.plan(connection, first, "run", NOW)
        assert len(caps.split(connection, [*first, *second], "run", limits, 10).above) == 2
        assert caps.split(connection, [*first, *second], "another run", limits, 10).above == []
        dry = [action(entity_id=str(number), state="suppressed") for number in range(9)]
        assert caps.split(connection, dry, "dry", limits, 10).above == []


def test_unauthorized_approvers_are_rejected(live_book: Book, overlay: Path) -> None:
    asked = _flood(live_book, overlay)
    owner = authors.since().by
    assert set(asked.authors) == {"mallory", *owner} and owner and not asked.is_author_known
    for who in (("eve",), ("ada@other.example",), ("grace@other.example",)):
        with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS does not name them"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    for who in (("Mallory",), ("7", "mallory@vendor.example"), owner):
        with pytest.raises(ConfigError, match="they changed"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    for who in ((), ("Anonymous",), ("",)):
        with pytest.raises(ConfigError, match="answered without a login"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    assert len(_states(live_book)["parked"]) == 3
    # Anyone may reject. The first answer counts permanently.
    assert approvals.answer(asked.approval_id, "rejected", ("mallory",), "a typing error", SOON).state == "rejected"
    with pytest.raises(ConfigError, match="is already rejected by mallory"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert {row.reason for row in live_book.outbox(entity_id="C-3#2")} == {"rejected by mallory: a typing error"}
    assert live_book.decide(decision_id="again").n_planned == 0


def test_approval_expires_after_two_working_days(live_book: Book, receivers: Receivers, overlay: Path) -> None:
    friday = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # before the lead's working hours and the weekly digest
    live_book.set_clock(friday)
    asked = _flood(live_book, overlay)
    assert asked.expires_at == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    deliver.deliver(now=asked.expires_at - timedelta(minutes=1))
    assert len(_states(live_book)["parked"]) == 3
    with pytest.raises(ConfigError, match="is already expired"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=asked.expires_at)
    deliver.deliver(now=asked.expires_at)
    assert {(row.state, row.reason) for row in live_book.outbox(entity_id="C-3#2")} == {
        ("expired", "nobody approved it in time")
    }
    assert approvals.get(asked.approval_id).state == "expired"


def test_late_approval_passes_the_gate_again(live_book: Book, receivers: Receivers, overlay: Path) -> None:
    asked = _flood(live_book, overlay)
    deliver.deliver(now=SOON)
    before = receivers.received()
    live_book.verdict("crm", "crm", "red", NOW, "batch 7 is held")
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert deliver.deliver(now=SOON).n_sent == 0 and receivers.received() == before
    assert {"batch 7 is held" in row.reason for row in live_book.outbox(state="planned")} == {True}
    live_book.verdict("crm", "crm", "green", NOW)
    assert deliver.deliver(now=SOON).n_sent == 3


def test_parked_actions_are_kept_current(live_book: Book, overlay: Path) -> None:
    _flood(live_book, overlay)
    moved = {"owner_key": "crm:78", "owner_name": "Grace", "owner_email": "grace@vendor.example"}
    live_book.renewals(renewal(1, days=60), renewal(2, days=30), renewal(3, days=90, **moved))
    live_book.decide(decision_id="later")
    rows = live_book.outbox(entity_id="C-3#2")
    assert {(row.state, row.recipient) for row in rows} == {("parked", "grace@vendor.example")}


def test_run_is_recalled(live_book: Book, receivers: Receivers, overlay: Path) -> None:
    _caps(overlay, actions_per_run=10)
    live_book.renewals(renewal(1, days=30, usage_ratio=0.5), renewal(2, days=30, usage_ratio=0.5))
    assert live_book.decide(decision_id="oops").n_parked == 2
    live_book.verdict("support", "support", "red", NOW)
    live_book.verdict("support", "support", "green", NOW)
    assert deliver.deliver(now=SOON).n_sent == 10
    completed = next(iter(receivers.portal.tasks.values()))
    completed["hs_task_status"] = "COMPLETED"
    assert undo.recall("oops", "ada", "the wrong baseline", SOON) == 12
    receivers.slack.faults["/chat.delete"] = ["drop", 500]
    receivers.hubspot.faults["/crm/v3/objects/tasks/batch/archive"] = ["drop"]
    result = deliver.take_back(now=SOON)
    assert result.n_sent == 0
    assert not receivers.workspace.messages and len(receivers.workspace.deleted) == 2
    assert list(receivers.portal.tasks.values()) == [completed]
    found = undo.listed("oops")
    assert sorted((row["channel"], row["result"]) for row in found if row["result"] != "never sent") == sorted(
        [("slack", "taken back")] * 2
        + [("email", "stays")] * 2
        + [("crm_task", "taken back")] * (len(found) - 7)
        + [("crm_task", "stays")]
    )
    assert [row["result"] for row in found].count("never sent") == 2
    assert any("completed the task" in row["reason"] for row in found)
    assert all("ada: the wrong baseline" in row["reason"] for row in found)
    assert not approvals.find()
    # Recalled actions do not return by themselves, and a second recall changes nothing.
    received = receivers.received()
    live_book.decide(decision_id="after")
    undo.recall("oops", "ada", "again", SOON)
    for hours in (1, 2):
        deliver.deliver(now=NOW + timedelta(hours=hours))
    assert receivers.received() == received and undo.listed("oops") == found


def test_uncertain_delivery_is_recalled_once_resolved(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1, days=30), renewal(2, days=30))
    live_book.decide(decision_id="oops")
    receivers.slack.faults = {"/chat.postMessage": ["drop", 500], "/conversations.history": [500] * 12}
    with pytest.raises(Exception, match="Slack"):
        deliver.deliver(now=SOON)
    assert len(live_book.outbox(channel="slack", state="planned")) + len(receivers.workspace.messages) >= 1
    undo.recall("oops", "ada", "wrong", SOON)
    receivers.slack.faults.clear()
    for minutes in (2, 10, 20):
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert not receivers.workspace.messages
    assert not live_book.outbox(state="planned") and not live_book.outbox(state="sending")
    assert not live_book.outbox(undo="asked")


def test_approval_commands(
    live_book: Book, receivers: Receivers, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _flood(live_book, overlay)

    def run(*arguments: str, status: int = 0) -> str:
        assert main(list(arguments)) == status
        shown = capsys.readouterr()
        return shown.out if status == 0 else shown.err

    assert asked.approval_id in run("approvals", "list")
    assert "Customer 3" in run("approvals", "show", asked.approval_id)
    # The user who runs the tests has written the overlay.
    assert "they changed" in run("approvals", "approve", asked.approval_id, status=2)
    assert "is rejected: 3 actions on 1 accounts" in run("approvals", "reject", asked.approval_id, "--note", "no")
    assert "unknown approval" in run("approvals", "approve", "x", status=2)
    assert "flood" in run("undo")
    assert "no reason" in run("undo", "--run", "flood", status=2)
    assert "planned nothing" in run("undo", "--run", "x", "--reason", "y", status=2)
    assert run("undo", "--run", "flood", "--reason", "a test").count("never sent") == 9


def test_approval_sets_the_overlay_baseline_for_later_changes(live_book: Book, overlay: Path) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(live_book, overlay)
    assert asked.is_author_known and "Eve" in asked.authors
    # Changes made while the question is pending are not approved with it.
    (overlay / "config" / "channels.yaml").write_text((overlay / "config" / "channels.yaml").read_text() + "# x\n")
    git.commit("Trudy")
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS does not name them"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    with engine("builder").connect() as connection:
        base = approvals._approved_overlay(connection)
    assert names(base) == {"Trudy"}


def test_no_approval_until_the_environment_names_approvers(
    live_book: Book, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(live_book, overlay)
    assert asked.is_author_known  # git accepts any committer name
    for value in ("", " , "):
        monkeypatch.setenv("PERENNIAL_APPROVERS", value)
        with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS is empty") as refused:
            approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
        assert "set PERENNIAL_APPROVERS in .env" in refused.value.cure
    # Also in dry run, or it would be enabled just for the answer.
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("dry_run: false", "dry_run: true"))
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS is empty"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    # The overlay cannot name approvers, since it is subject to approval itself.
    people = overlay / "config" / "people.yaml"
    people.write_text(people.read_text() + "approvers: [anybody]\n")
    with pytest.raises(ConfigError, match="approvers: unknown key"):
        live_book.decide(decision_id="again")
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS is empty"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    assert approvals.get(asked.approval_id).state == "open"


def test_nothing_waits_for_approval_in_dry_run(live_book: Book, overlay: Path) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("dry_run: false", "dry_run: true"))
    _caps(overlay, actions_per_run=0)
    live_book.renewals(renewal(1, days=60))
    assert live_book.decide(decision_id="dry").n_parked == 0 and not approvals.find()


@pytest.mark.parametrize("who", ["Ada", "аda", "ada\u200b", "ada@other.example", "grace", "ada,grace", " "])
def test_similar_name_does_not_make_an_approver(live_book: Book, overlay: Path, who: str) -> None:
    asked = _flood(live_book, overlay)
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS does not name them"):
        approvals.answer(asked.approval_id, "approved", (who,), now=SOON)


@pytest.mark.parametrize("name", ["Ada", "ada\u200b", "\uff41\uff44\uff41", " ada@home.example"])
def test_similar_name_counts_as_an_author(live_book: Book, overlay: Path, name: str) -> None:
    _caps(overlay, actions_per_run=6)
    Repository(overlay).commit(name)
    asked = _flood(live_book, overlay)
    with pytest.raises(approvals.Refused, match="they changed"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)


def test_author_of_an_overlay_change_cannot_approve_a_pending_question(live_book: Book, overlay: Path) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(live_book, overlay)
    template = overlay / "playbooks" / "more.yaml"
    template.write_text("disabled: true\n")  # each decision updates the waiting actions
    git.commit("Ada")
    with pytest.raises(approvals.Refused, match="they changed"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)


def test_one_of_two_concurrent_answers_counts(live_book: Book, overlay: Path) -> None:
    asked = _flood(live_book, overlay)

    def give(said: approvals.Answer) -> str:
        try:
            return approvals.answer(asked.approval_id, said, ("ada",), now=SOON).state
        except ConfigError as error:
            return error.message

    with ThreadPoolExecutor() as pool:
        said = list(pool.map(give, ["approved", "rejected"] * 4))
    state = approvals.get(asked.approval_id).state
    assert said.count(state) == 1 and sum("already" in one for one in said) == 7
    assert set(_states(live_book)) == {"planned"} if state == "approved" else {"planned", "suppressed"}


def test_approval_without_an_id_is_rejected(live_book: Book, overlay: Path) -> None:
    _flood(live_book, overlay)
    with pytest.raises(ConfigError, match="unknown approval ''"):  # and not the newest one
        approvals.get("")
