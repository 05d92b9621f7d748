"""Only files created by Perennial are removed: not by name alone, not through links, not from a copied folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from include.common import home, paths
from include.common.errors import ConfigError
from include.sandbox.demo import __main__ as demo
from include.warehouse.embedded import server

ROOT = paths.ROOT


def fill(folder: Path, *names: str) -> None:
    """Put a file at each path."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("kept")


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def test_created_folder_is_marked_and_removed_again(tmp_path):
    ours = tmp_path / "new" / "home"
    mark = home.claim(ours)
    assert home.claim(ours) == mark
    assert ours.stat().st_mode & 0o777 == 0o700
    fill(ours, "logs/a.log", "airflow/logs/dag/b.log", "demo.json")
    assert home.clear(ours) == []
    assert not ours.exists()
    assert home.clear(ours) == []
    assert home.claim(ours).id != mark.id


def test_empty_user_folder_stays(tmp_path):
    (tmp_path / "lost+found").mkdir()
    home.claim(tmp_path)
    home.entry("cache", tmp_path).mkdir()
    assert home.clear(tmp_path) == []
    assert os.listdir(tmp_path) == ["lost+found"]


def test_world_writable_empty_folder_is_rejected_and_left_unchanged(tmp_path):
    """Such as an empty /tmp."""
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigError, match="it is world-writable") as caught:
        home.claim(tmp_path)
    assert str(tmp_path / "perennial") in caught.value.cure
    assert os.listdir(tmp_path) == []
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_folder_with_other_content_is_rejected_and_left_unchanged(tmp_path):
    fill(tmp_path, "logs/mine.log", "photos/a.txt", "postgres/main/1", "postgres.json")
    tmp_path.chmod(0o755)
    before = files(tmp_path)
    for action in (home.claim, home.clear):
        with pytest.raises(ConfigError, match=r"is not marked as Perennial's .* contains logs, photos") as caught:
            action(tmp_path)
        assert "PERENNIAL_HOME" in caught.value.cure
    assert home.entry("limits", tmp_path) == tmp_path / "limits"
    assert files(tmp_path) == before
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1, "home": "/x", "is_made": true}', '{"id": "../../x"}'])
def test_damaged_mark_is_not_a_mark(tmp_path, text):
    fill(tmp_path, "logs/mine.log")
    (tmp_path / home.MARKER).write_text(text)
    for action in (home.claim, home.clear):
        with pytest.raises(ConfigError):
            action(tmp_path)
    assert (tmp_path / "logs" / "mine.log").exists()


def test_foreign_files_in_the_folder_stay(tmp_path):
    ours = tmp_path / "home"
    home.claim(ours)
    fill(ours, "logs/a.log", "photos/a.txt", "postgres/main/1")
    assert home.clear(ours) == ["photos", "postgres"]
    assert files(ours) == {"photos/a.txt", "postgres/main/1"}


def test_links_are_removed_and_not_followed(tmp_path):
    fill(tmp_path, "elsewhere/a.log")
    ours = tmp_path / "home"
    home.claim(ours)
    (ours / "logs").symlink_to(tmp_path / "elsewhere")
    (ours / "airflow").mkdir()
    (ours / "airflow" / "logs").symlink_to(tmp_path / "elsewhere")
    (ours / "demo.json").symlink_to(tmp_path / "elsewhere" / "a.log")
    assert home.clear(ours) == []
    assert files(tmp_path) == {"elsewhere/a.log"}


@pytest.mark.parametrize("place", ["airflow", "airflow/logs", "airflow/my logs"])
def test_a_folder_with_a_mount_in_it_is_left_unchanged(tmp_path, monkeypatch, place):
    ours, table = tmp_path / "home", tmp_path / "mountinfo"
    home.claim(ours)
    fill(ours, f"{place}/theirs.log")
    escaped = str(ours / place).replace(" ", "\\040")
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/a rw\n63 22 8:1 /theirs {escaped} rw - ext4 /dev/a rw\n")
    monkeypatch.setattr(home, "MOUNTS", table)
    with pytest.raises(ConfigError) as caught:
        home.clear(ours)
    assert str(ours / place) in str(caught.value)
    assert (ours / place / "theirs.log").exists()
    table.write_text("22 1 8:1 / / rw - ext4 /dev/a rw\n")
    assert home.clear(ours) == []


def test_broad_system_folders_are_rejected_by_name(tmp_path, monkeypatch):
    user_home = tmp_path / "users" / "ada"
    user_home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(user_home))
    for folder in ("/", user_home, user_home.parent, ROOT, ROOT.parent):
        for action in (home.claim, home.clear):
            with pytest.raises(ConfigError, match=r"cannot be Perennial's folder: (it is|your home|the project)"):
                action(Path(folder))
    assert os.listdir(user_home) == []


def test_copied_folder_is_distinguished_from_a_moved_one(tmp_path):
    original, moved, copied = (tmp_path / name for name in ("original", "moved", "copied"))
    mark = home.claim(original)
    original.rename(moved)
    assert home.claim(moved) == home.Mark(mark.id, str(moved), True)
    shutil.copytree(moved, copied)
    with pytest.raises(ConfigError, match=r"copied is a copy of .*moved") as caught:
        home.claim(copied)
    assert "make clean" in caught.value.cure
    assert home.clear(copied) == []
    assert home.claim(moved).id == mark.id


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets what other users made, and may give it away")
def test_files_of_another_user_are_left_alone(tmp_path):
    """`sudo make clean` cannot stop that user's database, and a lock file owned by root would lock the user out."""
    ours = tmp_path / "home"
    home.claim(ours)
    fill(ours, "logs/a.log")
    os.chown(ours / home.MARKER, 65534, 65534)
    before = files(ours)
    for action in (home.claim, home.clear, server.start, server.destroy, lambda folder: demo._clean(folder, Console())):
        with pytest.raises(ConfigError, match=r"belongs to the user (nobody|65534)") as caught:
            action(ours)
        assert "run the command as that user" in caught.value.cure
    assert files(ours) == before


def test_unlisted_entry_name_is_rejected(tmp_path):
    with pytest.raises(ValueError, match="not in ENTRIES"):
        home.entry("photos", tmp_path)


class Project:
    """A checkout's scripts without an environment, as before `make setup`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._take("include/__init__.py")
        self._take("include/warehouse/__init__.py")
        for room in ("common", "warehouse/embedded"):
            for path in (ROOT / "include" / room).glob("*.py"):
                self._take(f"include/{room}/{path.name}")
        for name in ("clean.sh", "clean_without_environment.py", "setup.sh"):
            self._take(f"include/sandbox/demo/{name}")

    def _take(self, name: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, self.folder / name)

    def clean(self, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run clean.sh."""
        kept = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": "/nonexistent"}
        return subprocess.run(
            ["sh", str(self.folder / "include/sandbox/demo/clean.sh")],
            cwd=cwd or self.folder,
            env=kept | environment,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "a project")


def test_make_clean_removes_a_new_demo_and_its_environment(project):
    made = project.folder / ".perennial"
    home.claim(made)
    fill(project.folder, ".perennial/logs/a.log", ".venv/perennial-pins", ".venv/bin/x", "include/__pycache__/a.pyc")
    before = files(project.folder)
    done = project.clean()
    assert done.returncode == 0, done.stderr
    gone = before - files(project.folder)
    assert {name.split("/")[0] for name in gone} == {".perennial", ".venv", "include"}
    assert not [name for name in gone if name.startswith("include/") and "__pycache__" not in name]


def test_make_clean_follows_a_linked_folder_to_its_own_entries_only(project, tmp_path):
    disk = tmp_path / "big disk"
    disk.mkdir()
    (project.folder / ".perennial").symlink_to(disk)
    home.claim(project.folder / ".perennial")
    fill(disk, "photos/a.txt", "logs/a.log")
    done = project.clean()
    assert done.returncode == 0, done.stderr
    assert "photos" in done.stdout
    assert files(disk) == {"photos/a.txt"}


@pytest.mark.parametrize("name", ["", "documents", "home"])
def test_make_clean_rejects_foreign_folders(project, tmp_path, name):
    fill(tmp_path, "victim/home/logs/a.log", "victim/documents/thesis.txt")
    before = files(tmp_path)
    done = project.clean(PERENNIAL_HOME=str(tmp_path / "victim" / name), HOME=str(tmp_path / "victim"))
    assert done.returncode == 2, done.stdout
    assert "cannot be Perennial's folder" in done.stderr or "is not marked" in done.stderr
    assert files(tmp_path) == before


def test_make_clean_run_in_another_folder_touches_nothing_there(project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    fill(elsewhere, ".venv/perennial-pins", ".mypy_cache/x", "include/__pycache__/a.pyc", ".perennial/logs/a")
    before = files(elsewhere)
    assert project.clean(cwd=elsewhere).returncode == 0
    assert files(elsewhere) == before


def test_make_clean_keeps_foreign_environments_and_link_targets(project, tmp_path):
    fill(tmp_path, "target/__pycache__/a.pyc", "cache/x")
    (project.folder / "dags").symlink_to(tmp_path / "target")
    (project.folder / "include" / "linked").symlink_to(tmp_path / "target")
    (project.folder / ".mypy_cache").symlink_to(tmp_path / "cache")
    fill(project.folder, ".venv/bin/mine", "config-overlay/.venv/__pycache__/a.pyc")
    done = project.clean()
    assert "Left .venv" in done.stdout
    assert {".venv/bin/mine", "config-overlay/.venv/__pycache__/a.pyc"} <= files(project.folder)
    assert files(tmp_path) >= {"target/__pycache__/a.pyc", "cache/x"}


def test_setup_rejects_a_foreign_environment(project):
    fill(project.folder, ".venv/bin/mine", "requirements.txt", "requirements-dev.txt")
    setup = ["sh", str(project.folder / "include/sandbox/demo/setup.sh"), sys.executable]
    done = subprocess.run(setup, cwd="/", capture_output=True, text=True)
    assert done.returncode == 1
    assert "move it away" in done.stderr
    assert files(project.folder / ".venv") == {"bin/mine"}


def test_setup_changes_no_environment_that_a_link_leads_to(project, tmp_path):
    fill(project.folder, "requirements.txt", "requirements-dev.txt")
    fill(tmp_path, "other/.venv/perennial-pins")
    (project.folder / ".venv").symlink_to(tmp_path / "other" / ".venv")
    setup = ["sh", str(project.folder / "include/sandbox/demo/setup.sh"), sys.executable]
    done = subprocess.run(setup, cwd="/", capture_output=True, text=True)
    assert (done.returncode, "is a link to" in done.stderr) == (1, True)
    assert files(tmp_path / "other") == {".venv/perennial-pins"}
    assert (tmp_path / "other/.venv/perennial-pins").read_text() == "kept"


def test_setup_reports_the_full_path_of_the_given_interpreter(project, tmp_path):
    fill(project.folder, "requirements.txt", "requirements-dev.txt")
    setup = ["sh", str(project.folder / "include/sandbox/demo/setup.sh")]
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(tmp_path / "my pythons" / "python3")}
    done = subprocess.run(setup, env=environment, capture_output=True, text=True)
    assert f"(tried: {tmp_path}/my pythons/python3)" in done.stderr


def test_mark_is_one_readable_line(tmp_path):
    home.claim(tmp_path / "home")
    kept = json.loads((tmp_path / "home" / home.MARKER).read_text())
    assert kept["home"] == str(tmp_path / "home")
    assert len(kept["id"]) == 32
