from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests import Request

from include.common.errors import ConfigError, Unavailable
from include.http import oauth
from include.http.oauth import OAuth, Token

SECRETS = ("https://x.example", "client-s3cret", "refresh-s3cret")


class Endpoint:
    """A token endpoint whose tokens last 100 seconds by its clock."""

    def __init__(self) -> None:
        self.now, self.n_fetched = 0.0, 0

    def __call__(self) -> Token:
        self.n_fetched += 1
        return Token(f"t0ken{self.n_fetched}", 100.0)

    def auth(self, *secrets: str) -> OAuth:
        return OAuth(self, *(secrets or SECRETS), clock=lambda: self.now)


def sent(auth: OAuth) -> str:
    return Request("GET", "https://x.example", auth=auth).prepare().headers["Authorization"]


def test_token_is_fetched_on_demand_and_after_expiry_or_invalidation() -> None:
    endpoint = Endpoint()
    auth = endpoint.auth()
    assert endpoint.n_fetched == 0
    assert sent(auth) == sent(auth) == "Bearer t0ken1"
    endpoint.now = 99.9
    assert sent(auth) == "Bearer t0ken1"
    endpoint.now = 100.0
    assert sent(auth) == "Bearer t0ken2"
    auth.forget()
    assert sent(auth) == "Bearer t0ken3"
    assert "t0ken" not in repr(endpoint())


def test_case_13_another_process_reuses_the_stored_token() -> None:
    endpoint = Endpoint()
    one, other = endpoint.auth(), endpoint.auth()
    assert sent(one) == sent(other) == "Bearer t0ken1"
    # Both are rejected; the second finds that the first has already fetched a new token.
    one.forget()
    other.forget()
    assert sent(one) == sent(other) == "Bearer t0ken2"
    endpoint.now = 150.0
    assert sent(other) == sent(one) == "Bearer t0ken3"


def test_other_credentials_get_another_token(home: Path) -> None:
    endpoint = Endpoint()
    assert sent(endpoint.auth()) == "Bearer t0ken1"
    assert sent(endpoint.auth("https://x.example", "another")) == "Bearer t0ken2"
    for path in (home / "tokens").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        shown = path.name.encode() + path.read_bytes()
        assert not any(secret.encode() in shown for secret in (*SECRETS, "t0ken", "another"))


@pytest.mark.parametrize("content", [b"", b"gAAAA", b"\xff" * 200])
def test_unreadable_token_file_is_rewritten(home: Path, content: bytes) -> None:
    endpoint = Endpoint()
    sent(endpoint.auth())
    (path,) = (home / "tokens").iterdir()
    path.write_bytes(content)
    assert sent(endpoint.auth()) == "Bearer t0ken2"
    assert sent(endpoint.auth()) == "Bearer t0ken2"


def test_unwritable_home_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="PERENNIAL_HOME"):
        sent(Endpoint().auth())


def test_hanging_token_fetch_does_not_block_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "_LOCK_WAIT_SECONDS", 0.2)
    begun, go_on = threading.Event(), threading.Event()

    def never() -> Token:
        begun.set()
        go_on.wait()
        return Token("late", 100.0)

    stuck = threading.Thread(target=sent, args=(OAuth(never, *SECRETS),))
    stuck.start()
    begun.wait()
    assert sent(Endpoint().auth()) == "Bearer t0ken1"
    go_on.set()
    stuck.join()


def _ask(fetched: Any, answers: Any, start: Callable[[], Any]) -> None:
    def fetch() -> Token:
        fetched.put(1)
        time.sleep(0.3)  # long enough for the others to arrive
        return Token("t0ken", 100.0)

    start()
    answers.put(sent(OAuth(fetch, *SECRETS)))


def test_case_13_concurrent_processes_fetch_one_token(home: Path) -> None:
    context = multiprocessing.get_context("fork")
    fetched, answers, together = context.Queue(), context.Queue(), context.Barrier(4)
    workers = [context.Process(target=_ask, args=(fetched, answers, together.wait)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert {answers.get(timeout=600) for _ in workers} == {"Bearer t0ken"}
    for worker in workers:
        worker.join(timeout=600)
    assert fetched.qsize() == 1


def test_replaced_token_is_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    first = OAuth(lambda: Token("session-of-yesterday", 600.0), "secret")
    first.current()
    assert "session-of-yesterday" not in str(Unavailable("the vendor says: session-of-yesterday has ended"))
