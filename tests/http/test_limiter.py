from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.common.errors import ConfigError, QuotaExhausted
from include.http.dates import MAX_PAUSE_SECONDS
from include.http.limiter import Limit, Limiter, for_account
from include.http.shared import Held, InFile
from tests.fixtures.fake_vendor import Time


class Elsewhere:
    """A store with a clock of its own, which other machines use too."""

    def __init__(self, clock: Time) -> None:
        self.clock, self.content, self.n = clock, b"", 0

    @contextmanager
    def changing(self, seconds: float | None = None) -> Iterator[Held]:
        self.n += 1
        held = Held(self.content, self.clock())
        yield held
        self.content = held.content


def limiter(path: Path, clock: Time, **limits: Limit) -> Limiter:
    return Limiter(InFile(path), limits, clock=clock, sleep=clock.sleep)


@given(
    calls=st.integers(1, 30), seconds=st.sampled_from([1.0, 10.0, 60.0]), pauses=st.lists(st.floats(0, 5), max_size=90)
)
def test_no_time_window_exceeds_the_call_limit(
    tmp_path_factory: pytest.TempPathFactory, calls: int, seconds: float, pauses: list[float]
) -> None:
    clock = Time()
    one = limiter(tmp_path_factory.mktemp("limit") / "x.json", clock, exports=Limit(calls, seconds))
    times = []
    for pause in pauses:
        clock.now += pause
        one.acquire("exports")
        times.append(clock.now)
    for index, at in enumerate(times):
        assert sum(at <= other < at + seconds for other in times[index:]) <= calls


@given(
    calls=st.integers(1, 200), machines=st.lists(st.integers(0, 2), max_size=90), step=st.floats(0, 0.2),
    off=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)  # fmt: skip
def test_machines_that_count_in_advance_stay_below_the_limit_together(
    calls: int, machines: list[int], step: float, off: list[float]
) -> None:
    clock = Time()
    store = Elsewhere(clock)
    limit = {"ordinary": Limit(calls, 1.0)}
    clients = [Limiter(store, limit, clock=lambda each=each: clock.now + each, sleep=clock.sleep) for each in off]
    times = []
    for machine in machines:
        clients[machine].acquire("ordinary")
        times.append(clock.now)
        clock.now += step
    for index, at in enumerate(times):
        assert sum(at <= other < at + 0.99 for other in times[index:]) <= calls


def test_counting_in_advance_costs_a_round_trip_for_several_calls() -> None:
    clock = Time()
    store = Elsewhere(clock)
    one = Limiter(store, {"ordinary": Limit(190, 10.0)}, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        one.acquire("ordinary")
        clock.now += 0.06
    assert store.n <= 30
    assert clock.slept == []


def test_block_and_lower_limit_end_what_was_counted_in_advance() -> None:
    clock = Time()
    one = Limiter(Elsewhere(clock), {"ordinary": Limit(700, 60.0)}, clock=clock, sleep=clock.sleep)
    one.acquire("ordinary")
    one.block("ordinary", 30)
    one.acquire("ordinary")
    assert sum(clock.slept) == 30
    one.learn("ordinary", Limit(1, 60.0))
    one.acquire("ordinary")
    assert sum(clock.slept) >= 60


@given(
    calls=st.integers(1, 20),
    ways=st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1.5), st.floats(0, 0.5)), min_size=5, max_size=90),
)
def test_slow_calls_do_not_arrive_too_close_together(
    tmp_path_factory: pytest.TempPathFactory, calls: int, ways: list[tuple[float, float, float]]
) -> None:
    clock = Time()
    one = limiter(tmp_path_factory.mktemp("limit") / "x.json", clock, exports=Limit(calls, 1.0))
    arrived = []
    for there, back, pause in ways:
        counted_at = one.acquire("exports")
        clock.now += there
        arrived.append(clock.now)
        clock.now += back
        one.recount("exports", counted_at)
        clock.now += pause
    for index, at in enumerate(arrived):
        assert sum(at <= other < at + 1.0 for other in arrived[index:]) <= calls


def test_calls_keep_counting_when_the_window_changes(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, ordinary=Limit(10, 1.0))
    for _ in range(3):
        one.acquire("ordinary")
    one.learn("ordinary", Limit(3, 10.0))
    one.acquire("ordinary")
    assert sum(clock.slept) >= 10


def test_limit_is_fully_used(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, exports=Limit(10, 60.0))
    for _ in range(10):
        one.acquire("exports")
    assert clock.slept == []
    one.acquire("exports")
    assert 60 <= sum(clock.slept) <= 64


def test_call_kinds_and_accounts_are_counted_separately(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, exports=Limit(1, 60.0), ordinary=Limit(1, 60.0))
    other = limiter(tmp_path / "y.json", clock, exports=Limit(1, 60.0))
    one.acquire("exports")
    one.acquire("ordinary")
    other.acquire("exports")
    assert clock.slept == []


def test_clients_of_one_account_share_its_limit_and_blocks(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, exports=Limit(2, 60.0))
    other = limiter(tmp_path / "x.json", clock, exports=Limit(2, 60.0))
    one.block("exports", 30)
    other.acquire("exports")
    assert clock.slept == [30]
    other.learn("exports", Limit(1, 60.0))
    one.acquire("exports")
    assert sum(clock.slept) >= 90


def test_too_long_a_wait_is_an_error_with_the_time(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, ordinary=Limit(1, 1.0))
    one.block("ordinary", 3600)
    with pytest.raises(QuotaExhausted) as caught:
        one.acquire("ordinary")
    assert caught.value.resumes_at == "2023-11-14T23:13:20+00:00"


def test_invalid_header_values_are_not_learned(tmp_path: Path) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, ordinary=Limit(5, 1.0))
    one.learn("ordinary", Limit(0, 1.0))
    one.learn("unheard-of", Limit(5, 1.0))
    one.acquire("ordinary")
    assert clock.slept == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[1]", b"\xff", b'{"ordinary": 3}', b'{"ordinary": {"blocked_until": null}}',
        b'{"ordinary": {"blocked_until": 1e308}}', b'{"ordinary": {"blocked_until": "x"}}',
        b'{"ordinary": {"blocked_until": 2700000000.0}}', b'{"ordinary": {"calls": 0, "seconds": 1}}',
        b'{"ordinary": {"calls": 5, "seconds": 1e308}}', b'{"ordinary": {"slots": {"x": 9, "1": null, "2": true}}}',
        b'{"ordinary": {"slots": [1]}}',
    ],
)  # fmt: skip
def test_broken_state_is_reset(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    clock = Time()
    limiter(tmp_path / "x.json", clock, ordinary=Limit(5, 1.0)).acquire("ordinary")
    assert clock.slept == []


def test_unwritable_home_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="PERENNIAL_HOME"):
        limiter(tmp_path / "file" / "x.json", Time(), ordinary=Limit(5, 1.0)).acquire("ordinary")


def test_limiter_state_contains_no_secret(home: Path) -> None:
    one = for_account("hubspot", "https://api.example", "s3cret", limits={"ordinary": Limit(5, 1.0)})
    one.acquire("ordinary")
    path = one.shared.path
    assert path.is_relative_to(home)
    assert "s3cret" not in path.name + path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    same = for_account("hubspot", "https://api.example", "s3cret", limits={})
    other = for_account("hubspot", "https://api.example", "another", limits={})
    assert same.shared == one.shared != other.shared


def _spend(path: Path, n: int, queue: multiprocessing.Queue) -> None:
    read: list[float] = []

    def clock() -> float:
        read.append(time.time())
        return read[-1]

    one = Limiter(InFile(path), {"ordinary": Limit(10, 0.5)}, clock=clock)
    for _ in range(n):
        one.acquire("ordinary")
        queue.put(read[-2])  # when it was counted; the last one when it was reported


def test_processes_together_stay_below_the_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_spend, args=(tmp_path / "x.json", 10, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    times = sorted(queue.get(timeout=600) for _ in range(30))
    for worker in workers:
        worker.join(timeout=600)
    assert all(later - earlier >= 0.5 for earlier, later in zip(times, times[10:], strict=False))


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e308, 1e9])
def test_no_wait_blocks_an_account_permanently(tmp_path: Path, seconds: float) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, ordinary=Limit(5, 1.0))
    one.block("ordinary", seconds)
    clock.now += 48 * 3600 + 1
    one.acquire("ordinary")
    assert clock.slept == []


@pytest.mark.parametrize("limit", [Limit(10**12, 1.0), Limit(5, float("inf")), Limit(5, float("nan")), Limit(1, 1e6)])
def test_implausible_limit_is_not_learned(tmp_path: Path, limit: Limit) -> None:
    clock = Time()
    one = limiter(tmp_path / "x.json", clock, ordinary=Limit(1, 1.0))
    one.learn("ordinary", limit)
    one.acquire("ordinary")
    one.acquire("ordinary")
    assert 0.9 < sum(clock.slept) < 1.2


def test_longest_pause_wins(tmp_path: Path) -> None:
    one = limiter(tmp_path / "x.json", Time(), ordinary=Limit(10, 1.0))
    one.block("ordinary", MAX_PAUSE_SECONDS)
    with pytest.raises(QuotaExhausted):
        one.acquire("ordinary")
