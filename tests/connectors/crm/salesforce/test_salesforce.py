"""Salesforce as a source, against the sandbox org."""

from __future__ import annotations

import pytest

from include.common import clock, connections
from include.common.errors import AuthError, ConfigError
from include.connectors.registry import connect
from include.http.client import Client
from tests.connectors.crm.salesforce.conftest import ENTITIES, SOON, START, Copy, id_of, later, truth
from tests.fixtures.sandbox import SandboxProcess


def test_first_load_equals_the_org(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON)
    assert copy.source.entities() == (*ENTITIES, "lead", "activity")
    for entity in ENTITIES:
        assert copy.live(entity) == truth(org, entity), entity
        assert not [record.problems for record in copy.rows[entity].values() if record.problems], entity


def test_every_mapped_column_has_a_value_somewhere(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON)
    empty = {
        f"{entity}.{column}"
        for entity, rows in copy.rows.items()
        for column in next(iter(rows.values())).values
        if all(record.values.get(column) is None for record in rows.values())
    }
    assert empty <= {"account.parent_id", "account.merged_into", "opportunity.notice_given_on"}, (
        empty
    )  # too rare in so small a world


def test_incremental_read_catches_up_with_a_day_of_changes(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(START)
    until = later(org, days=1)
    copy.pull(until)
    later(org, days=1)
    assert len(copy.pull(until.replace(minute=10))) < 200  # only what changed
    for entity in ENTITIES:
        assert copy.live(entity) == truth(org, entity), entity


def test_lines_follow_their_opportunity_to_another_account(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON)
    line = next(record for record in copy.rows["contract_line"].values())
    deals = {id_of("opportunity", number): number for number in org.truth()["opportunity"]["live_ids"]}
    deal = deals[line.values["opportunity_id"]]
    other = next(n for n in org.truth()["account"]["live_ids"] if id_of("account", n) != line.values["account_id"])
    until = later(org, minutes=20)
    org.mutate("deal", deal, set={"company": other})
    copy.pull(later(org, minutes=30), "contract_line")
    assert until and copy.rows["contract_line"][line.id].values["account_id"] == id_of("account", other)


def test_contact_role_is_read(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON)
    number = org.truth()["contact"]["live_ids"][0]
    one = id_of("contact", number)
    before = copy.rows["contact"][one]
    later(org, minutes=20)
    org.mutate("contact", number, set={"role": "DECISION_MAKER;CHAMPION"}, quiet=True)
    copy.pull(later(org, minutes=30), "contact")
    after = copy.rows["contact"][one]
    assert after.source_at == before.source_at  # the contact's own modification time did not change
    assert set(after.values["role"].split(";")) == {"decision_maker", "champion"}


def test_expired_session_is_renewed_once(org: SandboxProcess) -> None:
    copy = Copy()
    copy.pull(SOON, "account")
    org.control("switches", **{"salesforce.sessions": {}})
    copy.pull(SOON, "contact")
    assert copy.live("contact") == truth(org, "contact")
    org.control("faults", vendor="salesforce", path="/services/data/*", kind="status", status=401)
    with pytest.raises(AuthError, match="INVALID_SESSION_ID"):
        copy.pull(SOON, "account")


def test_refresh_token_login_works(org: SandboxProcess) -> None:
    given = org.connection("salesforce") | {"extra": {"refresh_token": org.note["salesforce_oauth"]["refresh_token"]}}
    source = connect(connections.make("crm", **given))
    assert next(iter(source.read("owner", position=None, until=SOON))).records
    org.control("switches", **{"salesforce.rotate_refresh_tokens": True, "salesforce.sessions": {}})
    with pytest.raises(ConfigError, match="rotation"):
        list(connect(connections.make("crm", **given)).read("owner", position=None, until=SOON))


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"password": "wrong-secret"}, AuthError, "invalid_client.*login and password of connection crm"),
        ({"login": "another-app"}, AuthError, "invalid_client_id"),
        ({"login": ""}, ConfigError, "set its login to the connected app's consumer key"),
    ],
)
def test_wrong_connection_is_one_clear_error(
    org: SandboxProcess, changes: dict, kind: type, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = org.connection("salesforce") | changes
    with pytest.raises(kind, match=said) as caught:
        list(connect(connections.make("crm", **given)).read("account", position=None, until=clock.now()))
    assert given["password"] not in str(caught.value)


def test_token_is_never_sent_to_another_host(org: SandboxProcess) -> None:
    org.control("switches", **{"salesforce.instance_url": "https://elsewhere.example"})
    with pytest.raises(ConfigError, match=r"reports the org at https://elsewhere\.example"):
        Copy().pull(SOON, "owner")


def test_link_to_another_host_is_not_followed(org: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    org.control("switches", **{"salesforce.page_rows": 25})
    org.control(
        "faults", vendor="salesforce", path="/services/data/*/query*", kind="set_field", field="nextRecordsUrl",
        value="https://elsewhere.example/services/data/v62.0/query/01gXX-25",
    )  # fmt: skip
    asked = []
    attempt = Client._attempt
    monkeypatch.setattr(Client, "_attempt", lambda self, call: asked.append(call.path) or attempt(self, call))
    copy = Copy()
    copy.pull(SOON, "opportunity")
    assert copy.live("opportunity") == truth(org, "opportunity")
    assert not [path for path in asked if "elsewhere" in path]


def test_case_42_existing_records_are_counted_and_listed(org: SandboxProcess) -> None:
    gone, purged = org.truth()["account"]["live_ids"][:2]
    org.mutate("company", gone, op="delete")
    org.mutate("company", purged, op="erase")
    org.control("switches", **{"salesforce.page_rows": 7})
    source = Copy().source
    for entity in ("account", "opportunity"):
        listed = [one for page in source.ids(entity) for one, _ in page]
        assert set(listed) == truth(org, entity) and len(listed) == len(set(listed))
        assert source.counts(entity) == {"": len(listed)}
