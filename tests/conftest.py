"""Shared fixtures: one real PostgreSQL per session, and a fresh migrated warehouse for each test that requests one.

A test that requests none of the socket-based fixtures below runs with sockets disabled.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest
import pytest_socket
from psycopg import sql
from sqlalchemy.engine import make_url

from include.warehouse import logins
from include.warehouse.embedded import files as server_files
from include.warehouse.embedded import server
from include.warehouse.engine import engine
from include.warehouse.migrate import migrate

# Airflow writes its configuration where it is first imported: keep it out of the user's home.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="perennial-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in ("sandbox", "built", "raw", "decisions", "signals", "receivers", "ingest", "own_home", "played")
]

# A slow machine is not the code's fault, and a test's fixtures may serve all its examples.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("any machine")

# A database is hundreds of files, created and deleted for each test. On disk, the file system takes most of a test's
# CPU time for that. Losing it in a power failure does no damage.
MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 2 << 30
QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    # Each test logs in several times: a password is hashed once, and not 4096 times, on both sides.
    "scram_iterations": "1",
}

# A warehouse is copied from the first of these that a test has among its fixtures, so that a common starting state is
# built once per session. A module with its own world calls its fixture ``own_template``.
TEMPLATES = ("own_template", "signal_book_template", "book_template", "raw_template")
# Started first, so that no worker is left with one of them at the end while another is idle.
LONGEST = tuple(
    f"tests/{name}"
    for name in (
        "models/test_fingerprints", "models/test_build", "end_to_end/", "operations/privacy/", "continuation/",
        "ingest/test_accepted_rows", "sql/", "ingest/test_ingest_killed", "ingest/test_vendors_to_raw", "how_to/",
        "deliver/test_killed", "deliver/test_vendor_to_inbox", "identity/", "contracts/",
        "warehouse/embedded/", "connectors/crm/hubspot/", "connectors/support/zendesk/", "decide/",
    )
)  # fmt: skip
NEED_SOCKETS = {"postgres", "empty_database", "warehouse", "sandbox", "sandbox_process", "socket_enabled"}
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``make check``, which need no sockets, and run the longest files first."""
    items.sort(
        key=lambda item: next((n for n, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))
    )
    for item in items:
        if NEED_SOCKETS.isdisjoint(getattr(item, "fixturenames", ())) and not item.get_closest_marker("slow"):
            item.add_marker("pure")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if NEED_SOCKETS.isdisjoint(getattr(item, "fixturenames", ())):
        pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()


@contextmanager
def _quick_server(folder: Path) -> Iterator[None]:
    """Start or remove a server whose files are in memory and need not survive a crash."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setitem(server.SETTINGS, name, value)
        if folder.parent == MEMORY:
            patch.setattr(server_files, "SHARED", folder / "shared")
        yield


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database on this session's own server. Other databases are created next to it."""
    is_long = any(item.get_closest_marker("soak") for item in request.session.items)  # would fill the memory
    has_room = not is_long and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    folder = Path(tempfile.mkdtemp(prefix="perennial test ", dir=MEMORY if has_room else None))
    folder.chmod(0o711)  # for root the server runs as another user
    (home := folder / "home").mkdir(mode=0o700)
    try:
        with _quick_server(folder):
            url = server.start(home, ("perennial", "template"))
            # The owner drops a test's database while logins that the test created are still in it.
            superuser = os.environ["PERENNIAL_TEST_SUPERUSER"] = server.superuser_url(home)
        _execute(superuser, sql.SQL("grant pg_signal_backend to {}").format(sql.Identifier(server.USER)))
        migrate(_sibling(url, "template"))
        engine("owner", _sibling(url, "template")).dispose()
        yield url
    finally:
        with _quick_server(folder):
            server.destroy(home)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def superuser(postgres: str) -> str:
    """The URL of the server's superuser, which Perennial itself does not use."""
    return os.environ["PERENNIAL_TEST_SUPERUSER"]


def _sibling(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _execute(url: str, statement: sql.Composed) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _execute(postgres, sql.SQL("create database {} strategy file_copy").format(sql.Identifier(name)))
    yield _sibling(postgres, name)
    _execute(
        os.environ["PERENNIAL_TEST_SUPERUSER"], sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
    )


@pytest.fixture
def warehouse(postgres: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new warehouse with all migrations applied; also set as ``PERENNIAL_DATABASE_URL``."""
    found = next((template for template in TEMPLATES if template in request.fixturenames), None)
    template = request.getfixturevalue(found) if found else "template"
    name = f"test_{os.getpid()}_{next(_numbers)}"
    made = sql.SQL("create database {} template {} strategy file_copy")
    _execute(postgres, made.format(sql.Identifier(name), sql.Identifier(template)))
    url = _sibling(postgres, name)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
    yield url
    logins.dispose(url)
    _execute(postgres, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
