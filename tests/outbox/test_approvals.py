"""What is above the caps of a run waits for a person; a run can be taken back."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.cli.main import main
from include.common.errors import ConfigError
from include.config.models import Caps
from include.deliver import deliver, undo
from include.outbox import approvals, authors, caps
from include.warehouse.engine import engine
from tests.deliver.letters import action
from tests.fixtures.decision_world import House
from tests.fixtures.outside import Outside
from tests.fixtures.renewal_rows import NOW, renewal

SOON = NOW + timedelta(minutes=1)


def _caps(overlay: Path, **values: Any) -> None:
    (overlay / "config" / "caps.yaml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()))


def _flood(house: House, overlay: Path, **values: Any) -> approvals.Approval:
    """Plan two messages and a task for each of three renewals, where six are within the caps."""
    _caps(overlay, **(values or {"actions_per_run": 6}))
    house.renewals(renewal(1, days=60), renewal(2, days=30), renewal(3, days=90))
    decision = house.decide(decision_id="flood", by="mallory")
    assert decision.n_parked == 3 and decision.n_planned == 6
    (asked,) = approvals.find()
    assert asked.approval_id == decision.approval_id
    return asked


def _states(house: House) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in house.outbox():
        found.setdefault(row.state, []).append(row.entity_id)
    return {state: sorted(ids) for state, ids in found.items()}


def test_only_what_is_above_a_cap_waits_and_the_nearest_deadlines_go_first(
    open_house: House, outside: Outside, overlay: Path
) -> None:
    asked = _flood(open_house, overlay)
    assert _states(open_house) == {"planned": ["C-1#2"] * 3 + ["C-2#2"] * 3, "parked": ["C-3#2"] * 3}
    assert (asked.n_actions, asked.n_accounts, asked.reason) == (3, 1, "the cap of 6 actions per run")
    # The others go out meanwhile, and deciding again neither plans nor asks again.
    assert deliver.deliver(now=SOON).n_sent == 6
    assert open_house.decide(decision_id="next").n_parked == 0
    assert len(approvals.find()) == 1 and deliver.deliver(now=SOON).n_sent == 0
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert deliver.deliver(now=SOON).n_sent == 3
    assert len(outside.received()) == 9


def test_a_share_of_the_book_caps_accounts_not_messages(open_house: House, overlay: Path) -> None:
    asked = _flood(open_house, overlay, share_of_book=0.7, accounts_at_least=0)
    assert asked.reason == "the cap of 2 accounts per run, in a book of 3"
    assert _states(open_house)["parked"] == ["C-3#2"] * 3


def test_a_run_started_again_has_no_second_allowance(house: House) -> None:
    limits = Caps(actions_per_run=3, accounts_at_least=100)
    first = [action(entity_id=str(number), account_key=f"crm:{number}") for number in range(3)]
    second = [action(entity_id=str(number), account_key=f"crm:{number}") for number in range(3, 5)]
    with engine("builder").begin() as connection:
        from include.outbox import store

        assert caps.sort(connection, first, "run", limits, 10).above == []
        store.plan(connection, first, "run", NOW)
        assert len(caps.sort(connection, [*first, *second], "run", limits, 10).above) == 2
        assert caps.sort(connection, [*first, *second], "another run", limits, 10).above == []
        dry = [action(entity_id=str(number), state="suppressed") for number in range(9)]
        assert caps.sort(connection, dry, "dry", limits, 10).above == []


def test_who_may_not_approve(open_house: House, overlay: Path) -> None:
    asked = _flood(open_house, overlay)
    owner = authors.since().by
    assert set(asked.authors) == {"mallory", *owner} and owner and not asked.is_author_known
    for who in (("eve",), ("ada@other.example",), ("grace@other.example",)):
        with pytest.raises(approvals.Refused, match="whom PERENNIAL_APPROVERS does not name"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    for who in (("Mallory",), ("7", "mallory@vendor.example"), owner):
        with pytest.raises(ConfigError, match="changed or started"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    for who in ((), ("Anonymous",), ("",)):
        with pytest.raises(ConfigError, match="nobody who is logged in"):
            approvals.answer(asked.approval_id, "approved", who, now=SOON)
    assert len(_states(open_house)["parked"]) == 3
    # Saying no is open to everybody; the first answer counts, and for good.
    assert approvals.answer(asked.approval_id, "rejected", ("mallory",), "a typing error", SOON).state == "rejected"
    with pytest.raises(ConfigError, match="is rejected by mallory already"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert {row.because for row in open_house.outbox(entity_id="C-3#2")} == {"rejected by mallory: a typing error"}
    assert open_house.decide(decision_id="again").n_planned == 0


def test_an_approval_lapses_after_two_working_days(open_house: House, outside: Outside, overlay: Path) -> None:
    friday = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # before the lead begins to work, and gets the week's digest
    open_house.set_clock(friday)
    asked = _flood(open_house, overlay)
    assert asked.lapses_at == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    deliver.deliver(now=asked.lapses_at - timedelta(minutes=1))
    assert len(_states(open_house)["parked"]) == 3
    with pytest.raises(ConfigError, match="lapsed already"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=asked.lapses_at)
    deliver.deliver(now=asked.lapses_at)
    assert {(row.state, row.because) for row in open_house.outbox(entity_id="C-3#2")} == {
        ("expired", "nobody approved it in time")
    }
    assert approvals.get(asked.approval_id).state == "lapsed"


def test_a_late_approval_passes_the_gate_again(open_house: House, outside: Outside, overlay: Path) -> None:
    asked = _flood(open_house, overlay)
    deliver.deliver(now=SOON)
    before = outside.received()
    open_house.verdict("crm", "crm", "red", NOW, "batch 7 is held")
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    assert deliver.deliver(now=SOON).n_sent == 0 and outside.received() == before
    assert {"batch 7 is held" in row.because for row in open_house.outbox(state="planned")} == {True}
    open_house.verdict("crm", "crm", "green", NOW)
    assert deliver.deliver(now=SOON).n_sent == 3


def test_what_waits_is_kept_current(open_house: House, overlay: Path) -> None:
    _flood(open_house, overlay)
    moved = {"owner_key": "crm:78", "owner_name": "Grace", "owner_email": "grace@vendor.example"}
    open_house.renewals(renewal(1, days=60), renewal(2, days=30), renewal(3, days=90, **moved))
    open_house.decide(decision_id="later")
    rows = open_house.outbox(entity_id="C-3#2")
    assert {(row.state, row.recipient) for row in rows} == {("parked", "grace@vendor.example")}


def test_a_run_is_taken_back(open_house: House, outside: Outside, overlay: Path) -> None:
    _caps(overlay, actions_per_run=10)
    open_house.renewals(renewal(1, days=30, usage_ratio=0.5), renewal(2, days=30, usage_ratio=0.5))
    assert open_house.decide(decision_id="oops").n_parked == 2
    open_house.verdict("support", "support", "red", NOW)
    open_house.verdict("support", "support", "green", NOW)
    assert deliver.deliver(now=SOON).n_sent == 10
    completed = next(iter(outside.portal.tasks.values()))
    completed["hs_task_status"] = "COMPLETED"
    assert undo.ask("oops", "ada", "the wrong baseline", SOON) == 12
    outside.slack.faults["/chat.delete"] = ["drop", 500]
    outside.hubspot.faults["/crm/v3/objects/tasks/batch/archive"] = ["drop"]
    result = deliver.take_back(now=SOON)
    assert result.n_sent == 0
    assert not outside.workspace.messages and len(outside.workspace.deleted) == 2
    assert list(outside.portal.tasks.values()) == [completed]
    found = undo.listed("oops")
    assert sorted((row["channel"], row["result"]) for row in found if row["result"] != "never sent") == sorted(
        [("slack", "taken back")] * 2
        + [("email", "stays")] * 2
        + [("crm_task", "taken back")] * (len(found) - 7)
        + [("crm_task", "stays")]
    )
    assert [row["result"] for row in found].count("never sent") == 2
    assert any("completed the task" in row["because"] for row in found)
    assert all("ada: the wrong baseline" in row["because"] for row in found)
    assert not approvals.find()
    # Nothing comes back by itself, and asking again changes nothing.
    received = outside.received()
    open_house.decide(decision_id="after")
    undo.ask("oops", "ada", "once more", SOON)
    for hours in (1, 2):
        deliver.deliver(now=NOW + timedelta(hours=hours))
    assert outside.received() == received and undo.listed("oops") == found


def test_what_is_in_doubt_is_taken_back_once_it_is_known(open_house: House, outside: Outside) -> None:
    open_house.renewals(renewal(1, days=30), renewal(2, days=30))
    open_house.decide(decision_id="oops")
    outside.slack.faults = {"/chat.postMessage": ["drop", 500], "/conversations.history": [500] * 12}
    with pytest.raises(Exception, match="Slack"):
        deliver.deliver(now=SOON)
    assert len(open_house.outbox(channel="slack", state="planned")) + len(outside.workspace.messages) >= 1
    undo.ask("oops", "ada", "wrong", SOON)
    outside.slack.faults.clear()
    for minutes in (2, 10, 20):
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert not outside.workspace.messages
    assert not open_house.outbox(state="planned") and not open_house.outbox(state="sending")
    assert not open_house.outbox(undo="asked")


def test_by_hand(open_house: House, outside: Outside, overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = _flood(open_house, overlay)

    def run(*arguments: str, status: int = 0) -> str:
        assert main(list(arguments)) == status
        shown = capsys.readouterr()
        return shown.out if status == 0 else shown.err

    assert asked.approval_id in run("approvals", "list")
    assert "Customer 3" in run("approvals", "show", asked.approval_id)
    # Whoever runs the tests has written the overlay.
    assert "changed or started" in run("approvals", "approve", asked.approval_id, status=2)
    assert "is rejected: 3 actions on 1 accounts" in run("approvals", "reject", asked.approval_id, "--note", "no")
    assert "there is no approval" in run("approvals", "approve", "x", status=2)
    assert "flood" in run("undo")
    assert "no reason" in run("undo", "--run", "flood", status=2)
    assert "planned nothing" in run("undo", "--run", "x", "--reason", "y", status=2)
    assert run("undo", "--run", "flood", "--reason", "a test").count("never sent") == 9


class Repository:
    """The overlay under git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self("init", "-q")

    def __call__(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, capture_output=True)

    def commit(self, name: str, *more: str) -> None:
        self("add", "-A")
        who = ("-c", f"user.name={name}", "-c", f"user.email={name.lower()}@vendor.example")
        self(*who, "commit", "-qm", "more", *more)


def _names(base: Any = None) -> set[str]:
    changed = authors.since(base)
    assert changed.is_known
    return {name for name in changed.by if "@" not in name}


@pytest.mark.parametrize(
    "path", ["config/people.yaml", "config/settings.yaml", "sql/actions/x/query.sql", "config/mappings/hubspot.yaml"]
)
def test_every_file_and_every_commit_since_the_approved_state_counts(overlay: Path, path: str) -> None:
    git = Repository(overlay)
    git.commit("Grace")
    base = authors.state()
    assert _names() == {"Grace"} and authors.since(base) == authors.Changed()
    file = overlay / path
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(before + "# changed\n")
    git.commit("Mallory")
    for _ in range(2):  # white space on top washes nothing
        file.write_text(file.read_text() + " \n")
        git.commit("Eve")
    assert _names(base) == {"Mallory", "Eve"}
    # Who commits in another's name is there with his own.
    file.write_text(before + "# again\n")
    git.commit("Trudy", "--author", "Ada <ada@vendor.example>")
    assert {"Trudy", "Ada"} <= _names(base)
    (overlay / "config" / "channels.yaml").unlink()  # what is taken away is a change too
    git.commit("Oscar")
    assert "Oscar" in _names(base)


def test_authors_are_not_known_without_the_history(overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not authors.since().is_known  # no git
    git = Repository(overlay)
    git.commit("Grace")
    base = authors.state()
    assert authors.since().is_known
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 10\n")
    assert not authors.since().is_known and not authors.since(base).is_known  # in no commit
    git.commit("Eve")
    assert authors.since(base).is_known
    # A rewritten history: the approved commit is not behind this one.
    git("checkout", "-q", "--orphan", "other")
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 11\n")
    git.commit("Trudy")
    changed = authors.since(base)
    assert "Trudy" in changed.by and not changed.is_known  # who else is in it no more?
    monkeypatch.setenv("PATH", "/nonexistent")
    assert authors.since(base) == authors.Changed(authors.since(base).by, is_known=False)
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR")
    assert authors.since() == authors.Changed() and not authors.since(base).is_known  # it was taken away


def test_no_file_in_force_is_left_out(overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git = Repository(overlay)
    (overlay / ".github").mkdir()
    (overlay / ".github" / "ci.yaml").write_text("x: 1\n")
    for folder in ("sql/marts/__pycache__", ".store", "sql"):
        (overlay / folder).mkdir(parents=True, exist_ok=True)
    outside = tmp_path_factory.mktemp("outside")
    (overlay / "sql" / "loop").symlink_to(overlay)
    (overlay / "config" / "signals").symlink_to(outside)
    (overlay / "sql" / "metrics").symlink_to(overlay / ".store")
    git.commit("Grace")
    base = authors.state()
    for file in (outside / "x.yaml", overlay / ".store" / "x.yaml", overlay / "sql/marts/__pycache__/query.sql"):
        file.write_text("x: 1\n")
        assert not authors.since(base).is_known, file
        file.unlink()
        assert authors.since(base) == authors.Changed()
    (overlay / ".github" / "ci.yaml").write_text("x: 2\n")  # nothing reads it
    assert authors.since(base) == authors.Changed()


def test_an_overlay_that_changes_while_it_is_decided_on_has_no_known_authors(
    open_house: House, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    caps_file, before = overlay / "config" / "caps.yaml", caps.sort

    def put_back(*arguments: Any) -> Any:
        found = before(*arguments)
        caps_file.write_text("actions_per_run: 1000\n")
        git.commit("Eve")
        return found

    monkeypatch.setattr(caps, "sort", put_back)
    assert not _flood(open_house, overlay).is_author_known


def test_git_runs_nothing_that_the_overlay_names(overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git = Repository(overlay)
    git.commit("Grace")
    ran = tmp_path_factory.mktemp("ran") / "ran"
    program = ran.with_name("program")
    program.write_text(f"#!/bin/sh\necho x >> '{ran}'\n")
    program.chmod(0o755)
    for setting in (
        "core.fsmonitor",
        "core.pager",
        "gpg.program",
        "diff.external",
        "filter.x.clean",
        "core.sshCommand",
    ):
        git("config", setting, str(program))
    git("config", "log.showSignature", "true")
    (overlay / ".gitattributes").write_text("* filter=x\n")
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 10\n")
    assert not authors.since().is_known and not ran.exists()


def test_an_approval_makes_its_overlay_the_state_that_later_changes_are_seen_against(
    open_house: House, overlay: Path
) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(open_house, overlay)
    assert asked.is_author_known and "Eve" in asked.authors
    # What is changed while the question waits is not approved with it.
    (overlay / "config" / "channels.yaml").write_text((overlay / "config" / "channels.yaml").read_text() + "# x\n")
    git.commit("Trudy")
    with pytest.raises(approvals.Refused, match="whom PERENNIAL_APPROVERS does not name"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)
    with engine("builder").connect() as connection:
        base = approvals._approved_overlay(connection)
    assert _names(base) == {"Trudy"}


def test_nobody_may_approve_until_the_environment_names_somebody(
    open_house: House, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(open_house, overlay)
    assert asked.is_author_known  # git believes whatever name a committer gives himself
    for value in ("", " , "):
        monkeypatch.setenv("PERENNIAL_APPROVERS", value)
        with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS names nobody") as refused:
            approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
        assert "set PERENNIAL_APPROVERS in .env" in refused.value.cure
    # Also under dry run, else it would be turned on for the answer alone.
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("dry_run: false", "dry_run: true"))
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS names nobody"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    # The overlay, which waits for approval itself, names no approvers.
    people = overlay / "config" / "people.yaml"
    people.write_text(people.read_text() + "approvers: [anybody]\n")
    with pytest.raises(ConfigError, match="approvers: unknown key"):
        open_house.decide(decision_id="again")
    with pytest.raises(approvals.Refused, match="PERENNIAL_APPROVERS names nobody"):
        approvals.answer(asked.approval_id, "approved", ("anybody",), now=SOON)
    assert approvals.get(asked.approval_id).state == "open"


def test_under_dry_run_nothing_waits_for_approval(open_house: House, overlay: Path) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("dry_run: false", "dry_run: true"))
    _caps(overlay, actions_per_run=0)
    open_house.renewals(renewal(1, days=60))
    assert open_house.decide(decision_id="dry").n_parked == 0 and not approvals.find()


@pytest.mark.parametrize("who", ["Ada", "аda", "ada\u200b", "ada@other.example", "grace", "ada,grace", " "])
def test_an_approver_is_nobody_who_is_called_alike(open_house: House, overlay: Path, who: str) -> None:
    asked = _flood(open_house, overlay)
    with pytest.raises(approvals.Refused, match="whom PERENNIAL_APPROVERS does not name"):
        approvals.answer(asked.approval_id, "approved", (who,), now=SOON)


@pytest.mark.parametrize("name", ["Ada", "ada\u200b", "\uff41\uff44\uff41", " ada@home.example"])
def test_an_author_is_also_whoever_is_called_alike(open_house: House, overlay: Path, name: str) -> None:
    _caps(overlay, actions_per_run=6)
    Repository(overlay).commit(name)
    asked = _flood(open_house, overlay)
    with pytest.raises(approvals.Refused, match="changed or started"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)


def test_whoever_changes_the_overlay_while_a_question_waits_does_not_approve(open_house: House, overlay: Path) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    asked = _flood(open_house, overlay)
    template = overlay / "playbooks" / "more.yaml"
    template.write_text("disabled: true\n")  # the actions that wait are kept current by each decision
    git.commit("Ada")
    with pytest.raises(approvals.Refused, match="changed or started"):
        approvals.answer(asked.approval_id, "approved", ("ada",), now=SOON)


def test_of_two_answers_at_the_same_time_one_counts(open_house: House, overlay: Path) -> None:
    asked = _flood(open_house, overlay)

    def give(said: approvals.Answer) -> str:
        try:
            return approvals.answer(asked.approval_id, said, ("ada",), now=SOON).state
        except ConfigError as error:
            return error.message

    with ThreadPoolExecutor() as pool:
        said = list(pool.map(give, ["approved", "rejected"] * 4))
    state = approvals.get(asked.approval_id).state
    assert said.count(state) == 1 and sum("already" in one for one in said) == 7
    assert set(_states(open_house)) == {"planned"} if state == "approved" else {"planned", "suppressed"}


def test_a_question_without_a_name_is_none(open_house: House, overlay: Path) -> None:
    _flood(open_house, overlay)
    with pytest.raises(ConfigError, match="there is no approval ''"):  # and not whichever is the newest
        approvals.get("")


def test_grafts_and_a_cut_history_hide_nobody(overlay: Path) -> None:
    git = Repository(overlay)
    git.commit("Grace")
    base = authors.state()
    file = overlay / "config" / "settings.yaml"
    for name in ("Mallory", "Eve"):
        file.write_text(f"# {name}\n")
        git.commit(name)
    hidden = overlay / ".git" / "info" / "grafts"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_text(f"{authors.state()['commit']} {base['commit']}\n")
    assert _names(base) == {"Mallory", "Eve"}
    hidden.unlink()
    # A merge of which one side is cut off.
    git("checkout", "-q", "-b", "side", base["commit"])
    for name in ("Trudy", "Oscar"):
        (overlay / "config" / "attention.yaml").write_text(f"# {name}\n")
        git.commit(name)
    side = authors.state()["commit"]
    git("-c", "user.name=Eve", "-c", "user.email=eve@vendor.example", "merge", "-q", "--no-edit", "-")
    assert _names(base) == {"Mallory", "Eve", "Trudy", "Oscar"}
    (overlay / ".git" / "shallow").write_text(f"{side}\n")
    changed = authors.since(base)
    assert "Trudy" not in changed.by and not changed.is_known


def test_whoever_merges_an_older_state_back_has_changed_the_overlay(overlay: Path) -> None:
    git = Repository(overlay)
    git.commit("Grace")
    older = authors.state()["commit"]
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 6\n")
    git.commit("Grace")
    base = authors.state()
    git("checkout", "-q", "-b", "old", older)
    (overlay / "config" / "settings.yaml").write_text("# no more than a comment\n")
    git.commit("Eve")
    git("checkout", "-q", "-")
    who = ("-c", "user.name=Mallory", "-c", "user.email=mallory@vendor.example")
    git(*who, "merge", "-q", "--no-edit", "-s", "ours", "old")
    git(*who, "read-tree", "-u", "--reset", "old")
    git(*who, "commit", "-q", "--amend", "-m", "more")
    assert not (overlay / "config" / "caps.yaml").exists()
    assert _names(base) == {"Eve", "Mallory"}
