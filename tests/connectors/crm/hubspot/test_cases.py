"""The known failure cases of reading HubSpot, each with its fault switched on in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.common import connections, paths
from include.common.errors import AuthError, QuotaExhausted, Unavailable
from include.connectors.crm.hubspot.api import HubSpotApi
from include.connectors.registry import connect
from include.sandbox.hubspot.schema import CONTACTS
from tests.fixtures.pulled import START, Copy, later, truth
from tests.fixtures.sandbox import SandboxProcess

LISTS = "/crm/v3/objects/*"
SHIPPED = paths.ROOT / "include" / "defaults" / "config" / "mappings" / "hubspot.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own limiter state."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))


@pytest.fixture
def pull_of() -> Callable[..., Copy]:
    """Return a factory of copies that retry without waiting."""

    def make(*entities: str) -> Copy:
        copy = Copy("crm", *entities)
        skip_waits(copy)
        return copy

    return make


def skip_waits(copy: Copy) -> list[float]:
    """Make a copy's client skip its waits. Return their durations."""
    waited: list[float] = []
    copy.source._api.client.sleep = waited.append
    copy.source._api.client.limiter.sleep = lambda seconds: None
    return waited


def fault(sandbox: SandboxProcess, kind: str, path: str = LISTS, **more: Any) -> None:
    sandbox.control("faults", vendor="hubspot", kind=kind, path=path, **{"times": 1} | more)


def check(copy: Copy, sandbox: SandboxProcess) -> None:
    for entity in copy.rows:
        assert copy.live(entity) == truth(sandbox, entity), entity


@pytest.fixture
def all_properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Map every property of contacts: more than fit into a URL."""
    names = [name for name in CONTACTS.properties if name.startswith("hs_") and name[-2:].isdigit()]
    folder = tmp_path / "overlay" / "config" / "mappings"
    folder.mkdir(parents=True)
    keep = f"    keep: [{', '.join(names)}]\n"
    text = SHIPPED.read_text().replace("\n  opportunity: # deals", f"{keep}\n  opportunity: # deals")
    (folder / "hubspot.yaml").write_text(text)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    return sum(map(len, names))


def test_case_01_and_case_02_and_case_03_over_ten_thousand_in_one_millisecond(
    sandbox: SandboxProcess, pull_of: Callable[..., Copy]
) -> None:
    crm = pull_of("account")
    crm.pull(START)
    later(sandbox, minutes=10)
    made = sandbox.mutate("company", op="create", set={"name": "Twin"}, count=10_001)
    at = START + timedelta(minutes=10, milliseconds=1)
    made += sandbox.mutate("company", op="create", set={"name": "Next"}, count=300, at=at.isoformat())
    until = later(sandbox, minutes=30)
    n_read = crm.pull(until)
    assert {str(one) for one in made} <= crm.live("account")
    assert n_read < len(made) + 100  # no duplicates
    check(crm, sandbox)


def test_case_04_lagging_index(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("account")
    crm.pull(START)
    sandbox.control("switches", **{"hubspot.index_lag_seconds": 1800})
    later(sandbox, minutes=1)
    (made,) = sandbox.mutate("company", op="create", set={"name": "Late"})
    for minutes in (15, 30, 45):
        crm.pull(later(sandbox, minutes=minutes))
    assert str(made) in crm.live("account")


def test_case_05_edit_during_paging_is_in_the_next_read(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("contact")
    first = min(truth(sandbox, "contact"), key=int)
    edited = False
    rows = crm.rows["contact"]
    for page in crm.source.read("contact", position=None, until=START):
        rows |= {record.id: record for record in page.records}
        if not edited and first in rows:
            edited = True
            sandbox.mutate("contact", int(first), set={"jobtitle": "while paging"})
        crm.positions["contact"] = page.next_position
    assert rows[first].values["job_title"] != "while paging"
    crm.pull(later(sandbox, minutes=10))
    assert rows[first].values["job_title"] == "while paging"


def test_case_06_more_properties_than_a_url_can_hold(
    sandbox: SandboxProcess, all_properties: int, pull_of: Callable[..., Copy]
) -> None:
    assert all_properties > 8000
    one = min(truth(sandbox, "contact"), key=int)
    sandbox.mutate("contact", int(one), set={"hs_email_score_07": "kept"})
    crm = pull_of("contact")
    crm.pull(START + timedelta(minutes=6))
    assert crm.rows["contact"][one].payload["hs_email_score_07"] == "kept"
    check(crm, sandbox)


def test_case_07_row_changed_between_two_calls_is_consistent(
    sandbox: SandboxProcess, all_properties: int, pull_of: Callable[..., Copy], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = min(truth(sandbox, "contact"), key=int)
    batch_read = HubSpotApi.batch_read

    def edited_before(self: HubSpotApi, *given: Any, **more: Any) -> Any:
        sandbox.mutate("contact", int(one), set={"jobtitle": "both", "hs_email_score_07": "both"})
        return batch_read(self, *given, **more)

    monkeypatch.setattr(HubSpotApi, "batch_read", edited_before)
    crm = pull_of("contact")
    crm.pull(START + timedelta(minutes=6))
    record = crm.rows["contact"][one]
    assert (record.values["job_title"], record.payload["hs_email_score_07"]) == ("both", "both")
    assert record.source_at == START


def test_case_08_cleared_value_overwrites(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("account")
    crm.pull(START)
    one = next(one for one, record in crm.rows["account"].items() if record.values["industry"])
    later(sandbox, minutes=10)
    sandbox.mutate("company", int(one), set={"industry": ""})
    crm.pull(later(sandbox, minutes=20))
    assert crm.rows["account"][one].values["industry"] is None
    assert "industry" in crm.rows["account"][one].values


def test_case_09_and_case_10_numbers_are_cast_and_invalid_ones_are_not_zero(
    sandbox: SandboxProcess, pull_of: Callable[..., Copy]
) -> None:
    ids = sorted(truth(sandbox, "opportunity"), key=int)[:5]
    for one, amount in zip(ids, ("", "  ", "1,000", "12.50", "1e400"), strict=True):
        sandbox.mutate("deal", int(one), set={"amount": amount})
    crm = pull_of("opportunity")
    crm.pull(START + timedelta(minutes=6))
    rows = [crm.rows["opportunity"][one] for one in ids]
    assert [row.values["amount"] for row in rows[:4]] == [None, None, None, Decimal("12.50")]
    assert [sorted(row.problems) for row in rows[:4]] == [[], [], ["amount"], []]
    assert rows[2].payload["amount"] == "1,000"  # stored unchanged
    assert type(rows[3].values["is_closed"]) is bool
    assert type(rows[3].values["close_date"]) is date


def test_case_11_archived_and_restored(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("contact")
    crm.pull(START)
    one = min(truth(sandbox, "contact"), key=int)
    later(sandbox, minutes=10)
    sandbox.mutate("contact", int(one), op="delete")
    crm.pull(later(sandbox, minutes=70))  # hourly
    assert crm.rows["contact"][one].is_deleted
    check(crm, sandbox)
    sandbox.mutate("contact", int(one), op="restore")
    crm.pull(later(sandbox, minutes=90))
    assert not crm.rows["contact"][one].is_deleted
    check(crm, sandbox)


@pytest.mark.parametrize("kind", ["company", "contact", "deal"])
def test_case_12_chains_of_merges(sandbox: SandboxProcess, pull_of: Callable[..., Copy], kind: str) -> None:
    entity = {"company": "account", "contact": "contact", "deal": "opportunity"}[kind]
    crm = pull_of(entity)
    crm.pull(START)
    first, second, third = (int(one) for one in sorted(truth(sandbox, entity), key=int)[:3])
    later(sandbox, minutes=10)
    sandbox.mutate(kind, first, op="merge", into=second)
    later(sandbox, minutes=12)
    sandbox.mutate(kind, second, op="merge", into=third)
    crm.pull(later(sandbox, minutes=30))
    assert {one: crm.rows[entity][str(one)].is_deleted for one in (first, second, third)} == {
        first: True,
        second: True,
        third: False,
    }
    check(crm, sandbox)


class TestCase13:
    def oauth(self, sandbox: SandboxProcess) -> Any:
        app = sandbox.note["hubspot_oauth"]
        given = sandbox.connection("crm") | {"login": app["client_id"], "password": app["client_secret"]}
        extra = dict(given.pop("extra", {})) | {"refresh_token": app["refresh_token"]}
        return connect(connections.make("crm", **given, extra=extra))

    def copy(self, sandbox: SandboxProcess) -> Copy:
        copy = Copy("crm", "contact", "opportunity")
        copy.source = self.oauth(sandbox)
        skip_waits(copy)
        return copy

    def test_case_13_token_expires_during_a_read(self, sandbox: SandboxProcess) -> None:
        crm = self.copy(sandbox)
        pages = crm.source.read("contact", position=None, until=START)
        next(pages)
        later(sandbox, minutes=31)  # the vendor's clock; ours has not moved
        rest = list(pages)
        assert rest[-1].next_position is not None
        assert [given for given in skip_waits(crm) if given > 1] == []

    def test_case_13_token_is_refreshed_a_minute_before_expiry(self, sandbox: SandboxProcess) -> None:
        crm = self.copy(sandbox)
        client = crm.source._api.client
        now = [0.0]
        client.auth._clock = lambda: now[0]
        client.get("/crm/v3/owners", {"limit": 1})
        first = client.auth.value
        now[0] = 1739.0
        client.get("/crm/v3/owners", {"limit": 1})
        assert client.auth.value == first
        now[0] = 1740.0
        client.get("/crm/v3/owners", {"limit": 1})
        assert client.auth.value != first

    def test_case_13_second_rejection_is_an_error_without_secrets(self, sandbox: SandboxProcess) -> None:
        crm = self.copy(sandbox)
        fault(sandbox, "status", "/crm/v3/properties/*", status=401, times=2)
        with pytest.raises(AuthError, match="EXPIRED_AUTHENTICATION") as caught:
            crm.pull(START)
        assert "oauth-" not in str(caught.value)

    def test_case_13_wrong_refresh_token(self, sandbox: SandboxProcess) -> None:
        app = sandbox.note["hubspot_oauth"]
        given = sandbox.connection("crm") | {"login": app["client_id"], "password": app["client_secret"]}
        given.pop("extra", None)
        source = connect(connections.make("crm", **given, extra={"vendor": "hubspot", "refresh_token": "na1-gone"}))
        with pytest.raises(AuthError, match=r"unknown refresh token.*extra\.refresh_token of crm") as caught:
            list(source.read("owner", position=None, until=START))
        assert "na1-gone" not in str(caught.value)


def test_case_14_429_without_retry_after(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    fault(sandbox, "status", status=429, times=3)
    crm = pull_of("account")
    crm.pull(START + timedelta(minutes=6))
    check(crm, sandbox)


def test_case_14_daily_quota_ends_the_read_until_its_reset(
    sandbox: SandboxProcess, pull_of: Callable[..., Copy]
) -> None:
    daily = {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
    fault(sandbox, "status", status=429, body=daily, skip=1, times=None)
    crm = pull_of("contact")
    pages = crm.source.read("contact", position=None, until=START)
    mark = next(pages).mark
    with pytest.raises(QuotaExhausted, match="partial, resumes at 20") as caught:
        next(pages)
    # The daily quota resets at the portal's midnight, in twelve hours.
    resumes_at = datetime.fromisoformat(caught.value.resumes_at)
    left = resumes_at.timestamp() - crm.source._api.client.limiter.clock()
    assert 11.9 * 3600 < left <= 12 * 3600
    # No call is made before that, for any entity.
    n_calls = sandbox.control("status")["calls"]["hubspot"]
    for entity in ("contact", "account"):
        with pytest.raises(QuotaExhausted, match="partial, resumes at 20"):
            list(crm.source.read(entity, position=None, until=START))
    assert sandbox.control("status")["calls"]["hubspot"] == n_calls
    sandbox.control("reset", at=START.isoformat())
    clock = crm.source._api.client.limiter.clock
    crm.source._api.client.limiter.clock = lambda: clock() + 13 * 3600
    rest = list(crm.source.read("contact", position=None, mark=mark, until=START))
    assert rest[-1].next_position is not None


def test_case_15_failed_items_of_a_207_are_retried(
    sandbox: SandboxProcess, all_properties: int, pull_of: Callable[..., Copy]
) -> None:
    fault(sandbox, "partial", "*/batch/read", times=3)
    crm = pull_of("contact")
    crm.pull(START + timedelta(minutes=6))
    check(crm, sandbox)
    tied = [one for one, record in crm.rows["contact"].items() if record.values.get("account_id")]
    assert len(tied) > 0.8 * len(crm.live("contact"))


def test_case_15_permanent_failure_is_an_error_not_a_gap(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("activity")
    crm.pull(START)
    (one, *_) = (int(one.removeprefix("calls-")) for one in sorted(crm.rows["activity"]) if one.startswith("calls-"))
    sandbox.mutate("call", one, set={"hs_call_title": "Again"})
    fault(sandbox, "partial", "/crm/v4/associations/*", times=None)
    with pytest.raises(Unavailable, match="failed to return the contacts of 1 calls"):
        crm.pull(later(sandbox, minutes=20))


@pytest.mark.parametrize("path", ["/crm/v3/objects/companies", "/crm/v3/objects/companies/search"])
def test_case_15_incomplete_page_is_rejected(sandbox: SandboxProcess, pull_of: Callable[..., Copy], path: str) -> None:
    crm = pull_of("account")
    crm.pull(START)
    one, other = sorted(crm.rows["account"])[:2]
    sandbox.mutate("company", int(one), set={"name": "Renamed"})
    sandbox.mutate("company", int(other), op="delete")
    fault(sandbox, "partial", path, times=1)
    with pytest.raises(Unavailable, match="returned an incomplete page"):
        crm.pull(START + timedelta(minutes=70))
    crm.pull(START + timedelta(minutes=140))
    check(crm, sandbox)


@pytest.mark.parametrize("status", [500, 502, 504, 521, 522, 524, 530])
def test_case_16_gateway_error_pages(sandbox: SandboxProcess, pull_of: Callable[..., Copy], status: int) -> None:
    crm = pull_of("account")
    fault(sandbox, "status", status=status, times=2)
    crm.pull(START + timedelta(minutes=6))
    check(crm, sandbox)


def test_case_16_immediate_530_is_a_wrong_token(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    fault(sandbox, "status", "*", status=530, times=None)
    with pytest.raises(AuthError, match="credentials of connection crm"):
        pull_of("account").pull(START)


def test_case_17_deactivated_owners_are_included(sandbox: SandboxProcess, pull_of: Callable[..., Copy]) -> None:
    crm = pull_of("owner", "account")
    crm.pull(START)
    owners = crm.rows["owner"]
    gone = {one for one, record in owners.items() if not record.values["is_active"]}
    assert gone and all(not owners[one].is_deleted and owners[one].values["user_id"] for one in gone)
    assert {row.values.get("owner_id") for row in crm.rows["account"].values()} - {None} <= set(owners)
