"""The state in the warehouse that workers on several machines share."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

import pytest

from include.http import oauth
from include.http.limiter import Limit, Limiter, for_account
from include.http.oauth import OAuth, Token
from include.http.shared import InFile, InWarehouse, of
from include.warehouse.engine import engine
from tests.fixtures.fake_vendor import Time

pytestmark = pytest.mark.usefixtures("warehouse")


def _on_a_machine_with_its_clock_off(seconds: float, n: int, go: Any, counted: Any) -> None:
    import time

    one = Limiter(InWarehouse("limits/x"), {"ordinary": Limit(10, 0.5)}, clock=lambda: time.time() + seconds)
    go.wait()
    for _ in range(n):
        counted.put(one.acquire("ordinary"))


def test_machines_whose_clocks_differ_stay_below_the_limit_together() -> None:
    context = multiprocessing.get_context("fork")
    counted, go = context.Queue(), context.Barrier(3)
    workers = [
        context.Process(target=_on_a_machine_with_its_clock_off, args=(off, 10, go, counted)) for off in (-5, 0, 5)
    ]
    for worker in workers:
        worker.start()
    times = sorted(counted.get(timeout=600) for _ in range(30))
    for worker in workers:
        worker.join(timeout=600)
    assert all(later - earlier >= 0.49 for earlier, later in zip(times, times[10:], strict=False))


def test_a_pause_that_one_machine_received_holds_another() -> None:
    early, late = Time(), Time()
    late.now += 5
    state = InWarehouse("limits/x")
    one, other = (
        Limiter(state, {"ordinary": Limit(9, 1.0)}, clock=clock, sleep=clock.sleep) for clock in (early, late)
    )
    one.block("ordinary", 2000)
    assert 1990 < other._try("ordinary") <= 2000


def test_one_token_for_machines_whose_clocks_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth.shared, "of", lambda kind, name: InWarehouse(f"{kind}/{name}"))
    here, there = Time(), Time()
    there.now += 5
    fetched = []

    def fetch() -> Token:
        fetched.append(1)
        return Token("t0ken", 100.0)

    one, other = OAuth(fetch, "s3cret", clock=here), OAuth(fetch, "s3cret", clock=there)
    assert (one.current(), other.current(), len(fetched)) == ("t0ken", "t0ken", 1)
    with InWarehouse(f"tokens/{one._shared.name.partition('/')[2]}").changing() as held:
        assert b"t0ken" not in held.content


def test_token_that_cannot_be_stored_is_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth.shared, "of", lambda kind, name: InWarehouse(f"{kind}/{name}"))

    def fetch() -> Token:
        with engine("owner").begin() as connection:  # as idle_in_transaction_session_timeout would
            connection.exec_driver_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where state = 'idle in transaction' and pid <> pg_backend_pid() and datname = current_database()"
            )
        return Token("t0ken", 100.0)

    assert OAuth(fetch, "s3cret").current() == "t0ken"


def test_hanging_fetch_elsewhere_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    state, begun, go_on = InWarehouse("tokens/x"), threading.Event(), threading.Event()

    def hang() -> None:
        with state.changing() as held:
            held.content = b"late"
            begun.set()
            go_on.wait()

    with state.changing() as held:
        held.content = b"first"
    stuck = threading.Thread(target=hang)
    stuck.start()
    begun.wait()
    with state.changing(0.1) as held:
        assert held.content == b""
        held.content = b"not stored"
    go_on.set()
    stuck.join()
    with state.changing() as held:
        assert held.content == b"late"


def test_error_while_the_state_is_held_leaves_it_as_it_was() -> None:
    state = InWarehouse("limits/x")
    with pytest.raises(ZeroDivisionError), state.changing() as held:
        held.content = b"half"
        _ = 1 / 0
    with state.changing() as held:
        assert held.content == b""


@pytest.mark.parametrize(("setting", "kept"), [("files", InFile), ("database", InWarehouse)])
def test_setting_says_where_it_is_kept(own_home, monkeypatch: pytest.MonkeyPatch, setting: str, kept: type) -> None:
    from include import config

    given = config.load().model_copy(update={"shared_state": setting})
    monkeypatch.setattr(config, "load", lambda: given)
    assert isinstance(of("tokens", "x"), kept)
    one = for_account("hubspot", "https://api.example", "s3cret", limits={"ordinary": Limit(5, 1.0)})
    one.acquire("ordinary")
    assert isinstance(one.shared, kept)
