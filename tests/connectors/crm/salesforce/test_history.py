"""Earlier states of the org's records, rebuilt from its field history."""

from __future__ import annotations

import pytest

from include.common.errors import Unavailable
from include.connectors.crm.salesforce.api import Found, SalesforceApi
from tests.connectors.crm.salesforce.conftest import SOON, Copy, id_of, later
from tests.fixtures.sandbox import SandboxProcess


def history(copy: Copy, entity: str) -> dict[str, list]:
    found: dict[str, list] = {}
    for page in copy.source.history(entity):
        for record in page.records:
            found.setdefault(record.id, []).append(record)
    return found


def test_history_of_opportunity_stages(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON, "opportunity")
    found = history(copy, "opportunity")
    assert set(found) == copy.live("opportunity")
    won = [one for one, record in copy.rows["opportunity"].items() if record.values["is_won"]]
    for one in won:
        states_of = found[one]
        clocks = [state.source_at for state in states_of]
        assert clocks == sorted(clocks) and clocks[0] == states_of[0].values["created_at"]
        assert (states_of[0].values["is_closed"], states_of[0].values["is_won"]) == (False, False)
        now = copy.rows["opportunity"][one].values
        assert {name: states_of[-1].values[name] for name in ("stage", "is_closed", "is_won", "amount")} == {
            name: now[name] for name in ("stage", "is_closed", "is_won", "amount")
        }
    stages = [state.values["stage"] for state in found[won[0]]]
    assert stages[0] == "Prospecting" and stages[-1] == "Closed Won" and len(set(stages)) > 2


def test_history_of_account_owners_and_tiers(org: SandboxProcess) -> None:
    number, owner = org.truth()["account"]["live_ids"][0], org.truth()["owner"]["live_ids"][-1]
    one = id_of("account", number)
    before = Copy()
    before.pull(SOON, "account")
    later(org, minutes=10)
    org.mutate("company", number, set={"owner": owner, "tier": "small"})
    at = later(org, minutes=20)
    org.mutate("company", number, set={"tier": ""})
    copy = Copy()
    copy.pull(later(org, minutes=40), "account")
    first, *_, last = history(copy, "account")[one]
    assert first.values["owner_id"] == before.rows["account"][one].values["owner_id"] != id_of("owner", owner)
    assert last.values["owner_id"] == id_of("owner", owner)
    assert last.values["tier"] is None and last.source_at == at


def test_history_shorter_than_its_total_is_not_complete(org: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Copy()
    copy.source._plan("contact", "Contact")  # type: ignore[attr-defined]
    monkeypatch.setattr(SalesforceApi, "query", lambda *given, **how: Found([], 7, ""))
    with pytest.raises(Unavailable, match="7 more matching rows"):
        history(copy, "contact")


def test_interrupted_history_resumes(org: SandboxProcess) -> None:
    copy = Copy()
    pages = copy.source.history("contact")
    mark = next(pages).mark
    rest = [record.id for page in copy.source.history("contact", mark=mark) for record in page.records]
    assert rest == []  # one page contains all
    assert mark["id"] and history(copy, "contact")


def test_objects_without_history_return_nothing(org: SandboxProcess) -> None:
    assert history(Copy(), "contract_line") == {} == history(Copy(), "owner")
