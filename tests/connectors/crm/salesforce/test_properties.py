"""Random changes to accounts in a misbehaving org: once it is quiet, no record is missing or duplicated."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.common.errors import ConfigError
from tests.connectors.crm.salesforce.conftest import Copy, id_of, later
from tests.fixtures.sandbox import NOW, SandboxProcess

PAGES = "/services/data/*/query/*"
GONE = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
WHICH = st.integers(0, 10_000)

HAPPENINGS = st.one_of(
    st.tuples(st.sampled_from(["edit", "delete", "restore", "erase", "merge"]), WHICH),
    st.tuples(st.sampled_from(["touch", "storm"]), st.integers(2, 20)),
    st.tuples(st.just("create"), st.integers(1, 12)),
    st.tuples(st.just("late"), st.integers(1, 50)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.sampled_from(["pull", "cut", "locators", "busy", "sessions", "lost"]), WHICH),
)


class Life:
    """Apply random events to the org and keep a copy up to date.

    Args:
        org: The org, reset.
    """

    def __init__(self, org: SandboxProcess) -> None:
        org.control("reset", at=NOW)
        org.control("limits", lift=True)
        self.org, self.minutes, self.n = org, 0, 0
        self.live: list[int] = list(org.truth()["account"]["live_ids"])
        self.deleted: list[int] = []
        self.merged: list[int] = []
        self.copy = Copy()
        limiter = self.copy.source._api.client.limiter  # type: ignore[attr-defined]
        ahead = [0.0]
        limiter.clock = lambda: time.time() + ahead[0]
        limiter.sleep = lambda seconds: ahead.__setitem__(0, ahead[0] + seconds)
        self.copy.source._api.client.sleep = lambda seconds: None  # type: ignore[attr-defined]

    def happen(self, what: str, which: int) -> None:
        """Apply one event."""
        getattr(self, what)(which)

    def wait(self, minutes: int) -> None:
        self.minutes += minutes
        self.until = later(self.org, minutes=self.minutes)

    def edit(self, which: int) -> None:
        self._mutate(self.live, which, set={"name": self._name()})

    def delete(self, which: int) -> None:
        number = self._mutate(self.live, which, op="delete")
        if number:
            self.live.remove(number)
            self.deleted.append(number)

    def restore(self, which: int) -> None:
        number = self._mutate(self.deleted, which, op="restore", set={"name": self._name()})
        if number:
            self.deleted.remove(number)
            self.live.append(number)

    def erase(self, which: int) -> None:
        if number := self._mutate(self.live, which, op="erase"):
            self.live.remove(number)

    def merge(self, which: int) -> None:
        if len(self.live) > 1:
            loser, winner = self.live[which % len(self.live)], self.live[(which + 1) % len(self.live)]
            self.org.mutate("company", loser, op="merge", into=winner)
            self.live.remove(loser)
            self.merged.append(loser)

    def touch(self, count: int) -> None:
        self.org.mutate("company", op="touch", ids=self.live[:count], set={"name": self._name()})

    def storm(self, count: int) -> None:
        """Change many records at once, lose the locator among them, and go beyond the overlap of later reads."""
        self.touch(count)
        self.wait(90)  # short: the world's clock
        self.locators(count)
        self.pull(0)

    def create(self, count: int) -> None:
        self.live += self.org.mutate("company", op="create", count=count, set={"name": self._name()})

    def late(self, minutes: int) -> None:
        """Show a row only now, with a creation time in the past."""
        at = later(self.org, minutes=self.minutes - minutes)
        self.live += self.org.mutate("company", op="create", at=at.isoformat(), set={"name": self._name()})
        later(self.org, minutes=self.minutes)

    def pull(self, _: int) -> None:
        self.copy.pull(later(self.org, minutes=self.minutes), "account")

    def cut(self, which: int) -> None:
        """Abort a read. The next one resumes where it stopped."""
        broken = [{"message": "x", "errorCode": "UNKNOWN_EXCEPTION"}]
        self._fault("/services/data/*/query*", status=400, body=broken, skip=which % 4)
        with contextlib.suppress(ConfigError):
            self.pull(0)

    def locators(self, which: int) -> None:
        self._fault(PAGES, status=400, body=GONE, skip=which % 3)

    def busy(self, which: int) -> None:
        self._fault("/services/data/*", status=429, skip=which % 5)

    def lost(self, which: int) -> None:
        self._fault("/services/data/*", status=503, skip=which % 5)

    def sessions(self, _: int) -> None:
        self.org.control("switches", **{"salesforce.sessions": {}})

    def _fault(self, path: str, **how: Any) -> None:
        self.org.control("faults", vendor="salesforce", path=path, kind="status", times=1, **how)

    def _mutate(self, among: list[int], which: int, **body: Any) -> int:
        if not among:
            return 0
        number = among[which % len(among)]
        self.org.mutate("company", number, **body)
        return number

    def _name(self) -> str:
        self.n += 1
        return f"Name {self.n}"


# The test was shown to find three defects: a keyset that skips ties, deletions that are not requested, and a
# read that starts where the last one ended, without an overlap.
TIES = [("pull", 0), ("wait", 100), ("storm", 12)]
DELETIONS = [("pull", 0), ("delete", 3), ("merge", 5), ("wait", 30), ("pull", 0)]
LATE = [("pull", 0), ("wait", 60), ("pull", 0), ("late", 20), ("wait", 5), ("pull", 0)]


@settings(max_examples=3, suppress_health_check=list(HealthCheck))
@example(rows=3, happenings=TIES)
@example(rows=9, happenings=DELETIONS)
@example(rows=9, happenings=LATE)
@given(rows=st.integers(1, 9), happenings=st.lists(HAPPENINGS, min_size=4, max_size=14))
def test_case_38_and_42_copy_equals_the_org_once_quiet(
    org: SandboxProcess, rows: int, happenings: list[tuple[str, int]]
) -> None:
    check(org, rows, happenings)


@pytest.mark.soak
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(rows=st.integers(1, 9), happenings=st.lists(HAPPENINGS, min_size=4, max_size=30))
def test_case_38_and_42_copy_equals_the_org_after_any_history(
    org: SandboxProcess, rows: int, happenings: list[tuple[str, int]]
) -> None:
    check(org, rows, happenings)


def check(org: SandboxProcess, rows: int, happenings: list[tuple[str, int]]) -> None:
    """Apply random events, let the org fall quiet, and compare."""
    life = Life(org)
    org.control("switches", **{"salesforce.page_rows": rows})
    for what, which in happenings:
        life.happen(what, which)
    org.lift_faults()
    for _ in range(2):
        life.wait(10)  # short: the world's clock
        life.pull(0)
    copy = life.copy
    held = {one: copy.rows["account"][one].values["name"] for one in copy.live("account")}
    asked = copy.source._api.everything("SELECT Id, Name FROM Account", is_all=False)  # type: ignore[attr-defined]
    there = {row["Id"]: row["Name"] for row in asked}
    assert set(there) == {id_of("account", number) for number in life.live}
    assert there.items() <= held.items()
    assert held.keys().isdisjoint(id_of("account", number) for number in [*life.deleted, *life.merged])
    # A purged record leaves no trace: it is missing from a full read.
    met = {record.id for record in copy.pull(later(org, minutes=life.minutes), "account", full=True)}
    assert {one for one in held if one in met} == set(there)
