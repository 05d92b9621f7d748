"""Authors of overlay changes, who must not approve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.outbox import authors, caps
from tests.fixtures.decision_world import Book
from tests.fixtures.overlay_repository import Repository, names
from tests.outbox.test_approvals import _caps, _flood


@pytest.mark.parametrize(
    "path", ["config/people.yaml", "config/settings.yaml", "sql/actions/x/query.sql", "config/mappings/hubspot.yaml"]
)
def test_every_file_and_commit_since_approval_counts(overlay: Path, path: str) -> None:
    git = Repository(overlay)
    git.commit("Grace")
    base = authors.state()
    assert names() == {"Grace"} and authors.since(base) == authors.OverlayAuthors()
    file = overlay / path
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(before + "# changed\n")
    git.commit("Mallory")
    for _ in range(2):  # a whitespace change on top does not remove an author
        file.write_text(file.read_text() + " \n")
        git.commit("Eve")
    assert names(base) == {"Mallory", "Eve"}
    # A commit in another's name also counts for its committer.
    file.write_text(before + "# again\n")
    git.commit("Trudy", "--author", "Ada <ada@vendor.example>")
    assert {"Trudy", "Ada"} <= names(base)
    (overlay / "config" / "channels.yaml").unlink()  # a removal is a change too
    git.commit("Oscar")
    assert "Oscar" in names(base)


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
    # A rewritten history: the approved commit is not an ancestor.
    git("checkout", "-q", "--orphan", "other")
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 11\n")
    git.commit("Trudy")
    changed = authors.since(base)
    assert "Trudy" in changed.by and not changed.is_known  # other authors may be missing
    monkeypatch.setenv("PATH", "/nonexistent")
    assert authors.since(base) == authors.OverlayAuthors(authors.since(base).by, is_known=False)
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR")
    assert authors.since() == authors.OverlayAuthors() and not authors.since(base).is_known  # it was removed


def test_no_active_file_is_left_out(overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
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
        assert authors.since(base) == authors.OverlayAuthors()
    (overlay / ".github" / "ci.yaml").write_text("x: 2\n")  # unused file
    assert authors.since(base) == authors.OverlayAuthors()


def test_overlay_changed_during_the_decision_has_no_known_authors(
    live_book: Book, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Repository(overlay)
    _caps(overlay, actions_per_run=6)
    git.commit("Eve")
    caps_file, before = overlay / "config" / "caps.yaml", caps.split

    def put_back(*arguments: Any) -> Any:
        found = before(*arguments)
        caps_file.write_text("actions_per_run: 1000\n")
        git.commit("Eve")
        return found

    monkeypatch.setattr(caps, "split", put_back)
    assert not _flood(live_book, overlay).is_author_known


def test_git_runs_no_program_named_by_the_overlay(overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
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


def test_grafts_and_shallow_history_hide_no_author(overlay: Path) -> None:
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
    assert names(base) == {"Mallory", "Eve"}
    hidden.unlink()
    # A merge with one side cut off.
    git("checkout", "-q", "-b", "side", base["commit"])
    for name in ("Trudy", "Oscar"):
        (overlay / "config" / "attention.yaml").write_text(f"# {name}\n")
        git.commit(name)
    side = authors.state()["commit"]
    git("-c", "user.name=Eve", "-c", "user.email=eve@vendor.example", "merge", "-q", "--no-edit", "-")
    assert names(base) == {"Mallory", "Eve", "Trudy", "Oscar"}
    (overlay / ".git" / "shallow").write_text(f"{side}\n")
    changed = authors.since(base)
    assert "Trudy" not in changed.by and not changed.is_known


def test_merging_an_older_state_back_counts_as_a_change(overlay: Path) -> None:
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
    assert names(base) == {"Eve", "Mallory"}
