"""HubSpot on the sandbox: old positions, changes that do not move the cursor, and silent deletions."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.common import paths
from include.common.errors import ConfigError, PerennialError
from include.connectors import positions
from include.ingest import pipeline
from tests.fixtures.ingest import FakeContracts, contracts  # noqa: F401
from tests.fixtures.landing import rows, value
from tests.fixtures.pulled import START, Copy, later, truth
from tests.fixtures.sandbox import SandboxProcess

SHIPPED = paths.ROOT / "include" / "defaults" / "config" / "mappings" / "hubspot.yaml"
AT = positions.milliseconds(START)

# As version 1 wrote them.
OLD_DONE = {"v": 1, "phase": "done", "at": AT - 60_000, "archived_at": AT - 3_600_000, "archived_pages": 1}
OLD_MARKS = [
    {"v": 1, "phase": "list", "after": None, "hi": AT},
    {"v": 1, "phase": "archived", "after": None, "hi": AT, "floor": 0, "pages": 0},
]
OLD_SEARCH = {"v": 1, "phase": "search", "lo": AT - 3_600_000, "hi": AT, "after": "0", "floor": AT - 3_600_000}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))


class TestCase18:
    def test_case_18_old_position_resumes_and_reads_only_new_rows(self, sandbox: SandboxProcess) -> None:
        later(sandbox, minutes=10)
        (made,) = sandbox.mutate("contact", op="create", set={"email": "new@example.com"})
        crm = Copy("crm", "contact")
        crm.positions["contact"] = OLD_DONE
        n_read = crm.pull(later(sandbox, minutes=20))
        assert str(made) in crm.live("contact")
        assert n_read < len(truth(sandbox, "contact")) / 2
        assert crm.positions["contact"]["v"] == positions.VERSION
        assert crm.positions["contact"]["ends"]["contacts"]["archived_pages"] == 1

    @pytest.mark.parametrize("mark", OLD_MARKS, ids=lambda mark: mark["phase"])
    def test_case_18_old_mark_resumes_in_the_middle(self, sandbox: SandboxProcess, mark: dict) -> None:
        crm = Copy("crm", "contact")
        pages = list(crm.source.read("contact", position=None, mark=mark, until=START))
        # No later than the vendor's own clock, as its responses show it.
        assert AT - 3_600_000 < pages[-1].next_position["at"] <= AT
        n_deleted = sandbox.truth()["contact"]["deleted"]
        n_live = len(truth(sandbox, "contact")) if mark["phase"] == "list" else 0
        assert sum(len(page.records) for page in pages) == n_live + n_deleted

    def test_case_18_old_search_mark_resumes(self, sandbox: SandboxProcess) -> None:
        later(sandbox, minutes=-10)
        sandbox.now(START.isoformat())
        pages = list(Copy("crm", "account").source.read("account", position=OLD_DONE, mark=OLD_SEARCH, until=START))
        assert pages[-1].next_position["ends"]["companies"]["archived_pages"] == 1

    def test_case_18_old_owner_position_resumes(self, sandbox: SandboxProcess) -> None:
        crm = Copy("crm", "owner")
        crm.positions["owner"] = {"v": 1, "phase": "done", "at": AT - 3_900_000}
        crm.pull(START)
        assert len(crm.rows["owner"]) == 8

    def test_case_18_newer_version_is_rejected(self, sandbox: SandboxProcess) -> None:
        with pytest.raises(ConfigError, match="version 99"):
            list(Copy("crm", "owner").source.read("owner", position=OLD_DONE | {"v": 99}, until=START))


def test_silently_changed_association_is_found_within_a_day(sandbox: SandboxProcess) -> None:
    crm = Copy("crm", "contact", "activity")
    crm.pull(START)
    one = next(one for one, record in crm.rows["contact"].items() if record.values.get("account_id"))
    call = next(one for one in crm.live("activity") if one.startswith("calls-"))
    now = {crm.rows["contact"][one].values["account_id"], crm.rows["activity"][call].values["account_id"]}
    target = min(truth(sandbox, "account") - now)
    later(sandbox, minutes=10)
    sandbox.mutate("contact", int(one), set={"company": int(target)}, quiet=True)
    sandbox.mutate("call", int(call.removeprefix("calls-")), set={"company": int(target)}, quiet=True)
    crm.pull(later(sandbox, hours=2))
    crm.pull(later(sandbox, hours=25))
    assert crm.rows["contact"][one].values["account_id"] == target
    assert crm.rows["activity"][call].values["account_id"] == target
    # Later reads search again instead of listing.
    assert crm.pull(later(sandbox, hours=26)) < len(crm.rows["activity"]) / 2


def test_calculated_property_change_is_found_within_a_day(
    sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "overlay" / "config" / "mappings"
    folder.mkdir(parents=True)
    text = SHIPPED.read_text().replace("\n  contact: # contacts", "    keep: [num_associated_contacts]\n\n  contact:")
    (folder / "hubspot.yaml").write_text(text)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    crm = Copy("crm", "account")
    crm.pull(START)
    one = max(crm.live("account"), key=lambda one: int(crm.rows["account"][one].payload["num_associated_contacts"]))
    before = int(crm.rows["account"][one].payload["num_associated_contacts"])
    later(sandbox, minutes=10)
    sandbox.mutate("contact", op="create", set={"company": int(one), "email": "another@example.com"})
    crm.pull(later(sandbox, hours=25))
    assert int(crm.rows["account"][one].payload["num_associated_contacts"]) == before + 1


def test_erased_record_is_missing_from_the_ids(sandbox: SandboxProcess) -> None:
    crm = Copy("crm", "contact", "activity", "owner")
    crm.pull(START)
    one = min(crm.live("contact"), key=int)
    sandbox.mutate("contact", int(one), op="erase")
    for entity in ("contact", "activity"):
        ids = {found for page in crm.source.ids(entity) for found, _ in page}
        assert ids == truth(sandbox, entity)
        assert crm.live(entity) - ids == ({one} if entity == "contact" else set())
    assert len({found for page in crm.source.ids("owner") for found, _ in page}) == 8


HOSTILE = ["a\x00b", "=1+1\tcmd", "<script>alert(1)</script>", "‮gnp.exe", "👩‍👩‍👧" * 50, "x" * 200_000]


def test_case_49_hostile_text_loses_no_row(
    raw: str,
    sandbox: SandboxProcess,
    contracts: FakeContracts,  # noqa: F811
) -> None:
    ids = [int(one) for one in sorted(truth(sandbox, "account"), key=int)[: len(HOSTILE)]]
    for one, text in zip(ids, HOSTILE, strict=True):
        sandbox.mutate("company", one, set={"name": text})
    pipeline.run("crm", only=("account",), until=START + timedelta(minutes=6))
    stored = dict(rows("select id, name from raw.hubspot__account where id = any(:ids)", ids=[str(one) for one in ids]))
    assert [stored[str(one)] for one in ids] == ["ab", *HOSTILE[1:]]
    assert value("select n_cleaned from meta.batch where entity = 'account'") == 1
    assert value("select payload->'_removed'->>'name' from raw.hubspot__account where id = :id", id=str(ids[0])) == (
        "a\\u0000b"
    )
    assert value("select count(*) from raw.hubspot__account where not _is_deleted") == len(truth(sandbox, "account"))


def test_case_52_rows_and_position_are_stored_together(
    raw: str,
    sandbox: SandboxProcess,
    contracts: FakeContracts,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupted at any call, rows and position agree. A rerun leaves no gap and no duplicate."""
    monkeypatch.setattr("include.http.client._ATTEMPTS", 1)
    monkeypatch.setattr("include.http.client._FIRST_ATTEMPTS", 1)
    expected = truth(sandbox, "activity")
    for n_calls in (4, 9, 20):
        sandbox.control("faults", vendor="hubspot", kind="drop_before", path="*", skip=n_calls, times=1)
        try:
            pipeline.extract("crm", "activity", until=START + timedelta(minutes=6))
        except PerennialError:
            landed: Any = rows("select n_rows, read_mark is not null from meta.batch order by batch_id desc limit 1")
            assert landed[0][1] or landed[0][0] == 0
        sandbox.control("faults", vendor="hubspot", kind="drop_before", path="nowhere")
    pipeline.run("crm", only=("activity",), until=START + timedelta(minutes=6))
    stored = {one for (one,) in rows("select id from raw.hubspot__activity where not _is_deleted")}
    assert stored == expected
    assert value("select sum(n_rows) from meta.batch where is_first_load") == len(expected)


def test_history_returns_earlier_company_values(
    raw: str,
    sandbox: SandboxProcess,
    contracts: FakeContracts,  # noqa: F811
) -> None:
    ids = sorted(truth(sandbox, "account"), key=int)
    one = int(ids[0])
    for days, tier in ((-30, "standard"), (-20, "small"), (-10, "key_account")):
        at = (START + timedelta(days=days)).isoformat()
        sandbox.mutate("company", one, set={"customer_tier": tier}, at=at)
    pipeline.run("crm", only=("account", "owner"), until=START + timedelta(minutes=6))
    states = rows(
        "select tier, _source_at from raw.crm__account__history where id = :id and _source_at > :since order by 2",
        id=str(one),
        since=datetime.fromisoformat("2026-05-30T00:00:00+00:00"),
    )
    assert [tier for tier, _ in states] == ["standard", "small", "key_account"]
    assert [(at - START).days for _, at in states] == [-30, -20, -10]
    n_states = value("select n_states from meta.history where entity = 'account'")
    assert n_states > len(ids)
    pipeline.run("crm", only=("account", "owner"), until=START + timedelta(minutes=7))
    assert value("select count(*) from raw.crm__account__history") == n_states


def test_objects_without_permission_are_unavailable_not_failed(
    raw: str,
    sandbox: SandboxProcess,
    contracts: FakeContracts,  # noqa: F811
) -> None:
    from include.gate import availability

    said = {"status": "error", "message": "needs crm.objects.invoices.read", "category": "MISSING_SCOPES"}
    sandbox.control(
        "faults", vendor="hubspot", kind="status", path="/crm/v3/properties/invoices", status=403, body=said
    )
    verdict = pipeline.run("crm", only=("owner", "invoice"))
    assert "invoice" not in verdict.reason
    reasons = {each.entity: each.reason for each in availability.missing()}
    assert "needs crm.objects.invoices.read" in reasons["invoice"]
    assert reasons["milestone"] == "not available: needs milestone: it is not mapped"
    sandbox.control("reset", at=START.isoformat())
    pipeline.run("crm", only=("invoice",))
    assert "invoice" not in {each.entity for each in availability.missing()}
