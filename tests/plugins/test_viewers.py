"""Every page as every role: names, amounts and persons only as viewers.yaml allows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.common import clock, paths
from include.common.errors import ConfigError
from include.config import load
from include.config.viewers import Viewer
from include.pages import metric_tree, today
from include.reports import archive, document
from include.warehouse.engine import engine
from tests.plugins.test_perennial_page import client, plugin  # noqa: F401

ROLES = {
    "mine": {"role": "csm", "owner": "crm:9001"},
    "other": {"role": "csm", "owner": "crm:9002"},
    "lead": {"role": "lead", "teams": ["Enterprise"]},
    "head": {"role": "head"},
    "executive": {"role": "executive"},
    "region": {"role": "region", "regions": ["Nowhere"]},
}
REPORTS = {  # report -> audience, regions, and the roles that may open it
    1: ("executives", [], {"head", "executive"}),
    2: ("regions", ["Nowhere"], {"head", "region"}),
    3: ("regions", ["Nowhere", "Germany"], {"head"}),
    4: ("regions", [], {"head"}),
    5: ("cs_operations", [], {"head"}),
    6: ("product", [], {"head"}),
}
PAGES = (
    "/today/", "/account/?account=crm:1", "/brief/?account=crm:1", "/renewals/", "/health/", "/health/?account=crm:1",
    "/team/", "/", "/why/?account=crm:1", "/playbooks/", "/analyses/", "/growth/", "/discounts/", "/metrics/",
    "/metrics/?metric=nrr", "/metrics/?metric=arr", "/ledger/", "/catalogue/",
)  # fmt: skip
WHOLE = ("mine", "lead", "head")
NAME, PERSON, TARGET = "Acme & Sons", "Ada Byron", 123456
SEED = """
update core.account set owner_key = 'crm:9002';
update core.account set owner_key = 'crm:9001', name = 'Acme & Sons' where account_key = 'crm:1';
delete from core.owner;
insert into core.owner (owner_key, source, owner_id, email, name, team, is_active) values
    ('crm:9001', 'crm', '9001', 'owner@vendor.example', 'Owner One', 'Enterprise', true),
    ('crm:9002', 'crm', '9002', 'two@vendor.example', 'Owner Two', 'Small', true);
insert into core.contact (contact_key, account_key, name, is_deleted, is_champion, is_decision_maker)
    values ('crm:77', 'crm:1', 'Ada Byron', false, true, false);
update marts.forecast_line set target_arr = 123456, amount_arr = 123456, owner_key = 'crm:9001',
    quarter_start = '2026-04-01', decision_date = as_of + 10, days_to_decision = 10, line_class = 'open'
    where account_key = 'crm:1';
update core.renewal set outcome = 'open', target_arr = 123456, term_start = '2026-01-01', decision_date = '2026-07-01'
    where account_key = 'crm:1';
"""


@pytest.fixture
def world(built: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config"
    folder.mkdir(exist_ok=True)
    lines = [f"  {name}: {_yaml(role)}" for name, role in ROLES.items()]
    (folder / "viewers.yaml").write_text("viewers:\n" + "\n".join(lines) + "\n")
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(SEED)


def _yaml(role: dict[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {value!r}" for name, value in role.items()) + "}"


@pytest.mark.parametrize("role", [*ROLES, "viewer"])
def test_every_page_shows_a_role_only_its_own_data(client, world, role):  # noqa: F811
    for path in PAGES:
        text = unescape(_as(client, role, path))
        seen = {word for word in (NAME, PERSON, "Owner One", f"{TARGET:,}") if word in text}
        if path == "/" or role in ("viewer", "other", "region"):
            assert not seen, (path, seen)
        elif path.startswith(("/account/", "/brief/")):
            assert (PERSON in seen) == (role in WHOLE), path
        else:
            assert PERSON not in seen, path
        assert ("Owner One" in seen) <= (role in (*WHOLE, "executive"))
        if path == "/renewals/" and role in (*WHOLE, "executive"):
            assert {NAME, f"{TARGET:,}"} <= seen, text
        if role in ("other", "region") and "account=" in path:
            assert "not one of your accounts" in text or "cannot see" in text


def test_every_page_answers_before_the_first_build(client, plugin, warehouse, tmp_path, monkeypatch):  # noqa: F811
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "viewers.yaml").write_text("viewers: {head: {role: head}}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    asked = [route.path for route in plugin.app.routes if "GET" in route.methods]
    found = {(role, path): client.get(path, headers={"Authorization": f"Bearer {role}"}).status_code
             for role in ("head", "viewer") for path in asked}  # fmt: skip
    assert len(asked) >= 17 and {key: code for key, code in found.items() if code not in (200, 404)} == {}


def test_mistyped_term_of_a_discount_is_refused(client, plugin, warehouse):  # noqa: F811
    given = {"token": _token(plugin, "head"), "action": "ask", "offer": "90k", "months": "2 y"}
    headers = {"Authorization": "Bearer head", "origin": "http://testserver"}
    answer = client.post("/discounts/", data=given, headers=headers, follow_redirects=False)
    assert answer.status_code == 400 and "not a term in months" in answer.text


@pytest.mark.parametrize("role", [*ROLES, "viewer"])
def test_report_is_open_only_to_its_audience(client, world, role):  # noqa: F811
    for audience, regions, _ in REPORTS.values():
        section = {"title": "Risks", "text": "", "columns": ["account"], "rows": [["Acme <b>"]], "numbers": []}
        section |= {"note": "", "lacks": "", "charts": []}
        data = {"report": f"{audience} {len(regions)}", "title": "T", "label": "May", "period": "2026-05", "edition": 1}
        data |= {
            "audience": audience,
            "sections": [section],
            "marks": {},
            "held": {},
            "newest": "2026-06-10",
            "currency": "",
        }
        with engine("builder").begin() as connection:
            archive.keep(connection, data, document.html(data), regions, datetime(2026, 6, 1, tzinfo=UTC))
    listed = _as(client, role, "/reports/")
    for number, (_, _, roles) in REPORTS.items():
        answer = client.get(f"/reports/?id={number}", headers={"Authorization": f"Bearer {role}"})
        assert ("Acme" in answer.text) == (role in roles), (number, role)
        assert answer.status_code == (200 if role in roles else 404)
        assert "Acme <b>" not in answer.text
        assert (f"?id={number}" in listed) == (role in roles), (number, role)
    assert ("CS operations" in listed) == (role in ("head", "viewer"))


def test_today_page_shows_each_csm_own_alerts_and_the_lead_the_team(client, world):  # noqa: F811
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
                " opened_on, updated_on) values ('usage_down', 'account', 'crm:1', 1, 'crm:1', 'open', '{}',"
                " '2026-06-01', '2026-06-01')"
            )
        )
    text = _as(client, "mine", "/today/")
    assert "Usage is down" in text and "Acme &amp; Sons" in text
    assert "decisions in 90 days" in text and f"{TARGET:,}" in text
    assert "Usage is down" not in _as(client, "other", "/today/")
    # The evidence of an alert may contain amounts.
    said = "User days (days of use, summed over people)"
    assert said in text and said not in _as(client, "viewer", "/today/")
    team = _as(client, "lead", "/team/")
    assert "Owner One" in team and "Owner Two" not in team


def test_playbooks_page_shows_timely_tasks_and_hold_out_results(client, world):  # noqa: F811
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "playbooks"
    folder.mkdir()
    shipped = (paths.ROOT / "include/defaults/playbooks/expansion.yaml").read_text()
    (folder / "expansion.yaml").write_text(f"{shipped}\nhold_out: 0.5\n")
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on, arm, answer) select 'expansion', 'account', 'crm:' || n, 1, 'crm:' || n, 'closed',"
            " '{}', '2026-01-01', '2026-06-01', case when mod(n, 4) = 1 then 'held_out' else 'acted' end,"
            " case when mod(n, 4) = 1 then '' else 'upsold' end from generate_series(101, 340) as n;"
            "insert into ops.experiment values ('expansion', 0.25, 200, 0.1, '2026-06-01', '2026-01-01', now());"
            "insert into marts.experiment_account (experiment, account_key, unit_key, arm, assigned_on, triggered_on,"
            " state, decision_date, is_renewed, target_arr, renewed_of_target_arr, is_contaminated, n_tasks_done)"
            " select 'expansion', 'crm:' || n, 'crm:' || n, case when mod(n, 4) = 1 then 'held_out' else 'acted' end,"
            " '2026-01-01', '2026-01-01', 'settled', '2026-03-01', mod(n, 20) > 2 or mod(n, 4) = 1, 1, 1, false, 0"
            " from generate_series(101, 340) as n;"
            "insert into core.task (task_key, account_key, rule, step, written_on, due_on, state, is_due, is_in_time)"
            " select n::text, 'crm:' || n, 'expansion', 'call', '2026-01-02', '2026-01-09', 'done', true, n <= 130"
            " from generate_series(101, 140) as n"
        )
    text = _as(client, "head", "/playbooks/")
    # 156 of 180 renewed, and 60 of 60 in the hold-out, at the planned end.
    assert "It harms: -13.3 points (-19.1 to -6.0)" in text and "upsold 180" in text
    assert '75% <span class="dim">of 40</span>' in text
    mine = _as(client, "mine", "/playbooks/")
    assert "Not measured" in text and "upsold" not in mine and "It harms" in mine


SENT_TASK = """
insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key, recipient, subject,
    body, reads, not_after, state, undo, decision_id, version)
values (%(key)s, 'crm_task', 'account', 'crm:1', 'expansion', 1, 'call', 'crm:1', '7', 'Meet Acme & Sons',
    cast(%(body)s as jsonb), '{}', now(), 'sent', %(undo)s, 'd', '1')
"""


def test_today_lists_tasks_as_soon_as_they_are_sent(client, world):  # noqa: F811
    due = '{"due_on": "2026-07-01"}'
    sent = {"new": due, "moved": due, "undone": due, "gone": due, "done": due, "over": due, "end": '{"closes": "gone"}'}
    with engine("owner").begin() as connection:
        for key, body in sent.items():
            undo = "done" if key == "undone" else ""
            connection.exec_driver_sql(SENT_TASK, {"key": key, "body": body, "undo": undo})
        connection.exec_driver_sql(
            "update ops.outbox set episode_no = 2 where key = 'over';"
            "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on) values ('expansion', 'account', 'crm:1', 1, 'crm:1', 'open', '{}', '2026-05-01',"
            " '2026-06-01'), ('expansion', 'account', 'crm:1', 2, 'crm:1', 'closed', '{}', '2026-05-01', '2026-06-01');"
            "insert into ops.task (key, state, due_on, read_at)"
            " values ('done', 'done', null, now()), ('moved', 'started', '2026-07-02', now())"
        )
    seen = today.read(Viewer(role="head"))
    assert [(f"{row['due_on']}", row["state"]) for row in seen.tasks] == [
        ("2026-07-01", "open"),
        ("2026-07-02", "started"),
    ]
    assert (seen.counts["tasks"], seen.counts["overdue"]) == (2, 0)
    assert "Meet Acme & Sons" in unescape(_as(client, "head", "/today/"))
    for role in ("executive", "viewer"):  # subjects may name persons
        assert "Meet" not in _as(client, role, "/today/")


def test_metric_tree_shows_each_value_as_known_at_the_time(client, world):  # noqa: F811
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "update marts.kpi_value set value = 0.87 where metric_id = 'nrr' and grain = 'all' and period = 'month'"
            " and as_of = (select max(as_of) from marts.kpi_value where metric_id = 'nrr' and period = 'month');"
            "insert into meta.kpi_restatement (metric_id, metric_version, period, period_start, as_of, grain,"
            " grain_key, was_reported, value, known_to, reason, build_id) select metric_id, metric_version, period,"
            " period_start, as_of, grain, grain_key, true, 0.93, now() + interval '1 day', 'a contract came late', 'b'"
            " from marts.kpi_value where metric_id = 'nrr' and grain = 'all' and period = 'month'"
            " order by as_of desc limit 1"
        )
        amount = connection.exec_driver_sql(
            "select value from marts.kpi_value where metric_id = 'arr' and grain = 'all' and period = 'month'"
            " order by as_of desc limit 1"
        ).scalar()
    text = _as(client, "executive", "/metrics/")
    assert "87.0%" in text and "93.0%" in text and f"{amount:,.0f}" in text and "missed" in text
    assert "87.0%" not in _as(client, "head", f"/metrics/?known={clock.now():%Y-%m-%d}")
    assert f"{amount:,.0f}" not in _as(client, "lead", "/metrics/")
    one = _as(client, "head", "/metrics/?metric=nrr")
    assert "a contract came late" in one and "Underlying rows" in one and "crm:" in one
    assert "Underlying rows" not in _as(client, "executive", "/metrics/?metric=nrr")
    assert "Calculation" in one and "Calculation" in _as(client, "executive", "/metrics/?metric=nrr")
    assert "By tier" in one
    seen = metric_tree.read(load().viewers.of("head"), "arr")
    assert seen.before and seen.before_as_of < seen.found.period_start
    with engine("owner").begin() as connection:  # a new version of the definition, from the newest period on
        connection.exec_driver_sql(
            "update marts.kpi_value as v set metric_version = 9 where metric_id = 'arr' and period = 'month'"
            " and as_of = (select max(as_of) from marts.kpi_value where metric_id = 'arr' and period = 'month')"
        )
    assert metric_tree.read(load().viewers.of("head"), "arr").before == ""
    for role in ("lead", "mine", "region", "viewer"):
        seen = _as(client, role, "/metrics/?metric=nrr")
        assert not [word for word in ("Calculation", "By tier", "Owner Two", "crm:9002") if word in seen], role
    for wrong in ("metric=nrr&period=hour", "metric=none", "known=yesterday", "known=9999-12-31"):
        assert client.get(f"/metrics/?{wrong}", headers={"Authorization": "Bearer head"}).status_code == 404


def test_override_is_visible_only_with_its_account(client, world):  # noqa: F811
    from datetime import date, timedelta
    from decimal import Decimal

    from include.scores.health import judgements

    day = date(2026, 6, 10)
    judgements.override("crm:1", Decimal(72), reason="x", by="grace", day=day, until=day + timedelta(days=9))
    assert "72.00" in _as(client, "mine", "/health/")
    assert "72.00" not in _as(client, "other", "/health/")


def test_renewals_are_filtered_by_the_url(client, world):  # noqa: F811
    assert "is not one of" in _as(client, "head", "/renewals/?quarter=1999Q1")
    assert "No renewal matches" in _as(client, "head", "/renewals/?csm=nobody+at+all")
    assert "No renewal matches" not in _as(
        client, "viewer", "/renewals/?csm=nobody+at+all"
    )  # ownership cannot be probed
    evil = "<script>alert(1)</script>"
    assert evil not in _as(client, "head", f"/renewals/?quarter={evil}&band={evil}&csm={evil}")
    assert evil not in _as(client, "head", f"/account/?account={evil}")


def test_incomplete_viewer_role_is_rejected(world) -> None:
    assert load().viewers.of("nobody") == Viewer(role="operator")
    path = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "viewers.yaml"
    path.write_text("viewers: {ada: {role: csm}}\n")
    with pytest.raises(ConfigError, match=r"viewers\.yaml"):
        load()


FORMS = {  # forms that each role may submit about its own account
    "mine": {"pulse"}, "other": set(), "lead": {"pulse", "override", "lift"}, "head": {"pulse", "override", "lift"},
    "executive": set(), "region": set(), "viewer": set(),
}  # fmt: skip


def _post(client, role, token, origin="http://testserver", **fields):  # noqa: F811
    headers = {"Authorization": f"Bearer {role}"} | ({"origin": origin} if origin else {})
    given = {"account": "crm:1", "reason": "met them", "token": token, **fields}
    return client.post("/account/", data=given, headers=headers, follow_redirects=False)


def _token(plugin, role: str) -> str:  # noqa: F811
    return plugin._forms().dumps(role)


@pytest.mark.parametrize("role", FORMS)
def test_each_role_can_submit_only_its_own_forms(client, plugin, world, role):  # noqa: F811
    done = set()
    for action, score in (("pulse", "2"), ("override", "red"), ("lift", "")):
        answer = _post(client, role, _token(plugin, role), action=action, score=score)
        if answer.status_code == 303:
            assert answer.headers["location"].endswith(f"/account/?account=crm%3A1&done={action}")
            done.add(action)
    assert done == FORMS[role]
    page = _as(client, role, "/account/?account=crm:1")
    assert {action for action in ("pulse", "override", "lift") if f'value="{action}"' in page} == FORMS[role]
    ledger = _as(client, "head", "/ledger/")
    assert ("gave a pulse of 2" in ledger) == ("pulse" in done)
    assert ("set health to red" in ledger and "ended an override" in ledger) == ("lift" in done)
    assert "gave a pulse" not in _as(client, "viewer", "/ledger/") + _as(client, "mine", "/ledger/")


def test_call_is_compared_with_the_forecast(client, plugin, world):  # noqa: F811
    def call(role: str, csm: str, amount: str, quarter: str = "2026Q2") -> int:
        given = {"csm": csm, "quarter": quarter, "amount": amount, "token": _token(plugin, role)}
        headers = {"Authorization": f"Bearer {role}", "origin": "http://testserver"}
        return client.post("/renewals/", data=given, headers=headers, follow_redirects=False).status_code

    assert [call(role, "crm:9001", "1k") for role in ROLES] == [303, 400, 303, 303, 400, 400]
    assert call("lead", "crm:9002", "1") == call("head", "crm:0", "1") == 400
    for amount in ("much", "snank", "1e9", "120.000", "120,50", "-1", "9999999999999k", ""):
        assert call("head", "crm:9001", amount) == 400, amount
    for quarter in ("2026Q5", "9999Q4", "2026Q1", "2027Q3"):
        assert call("head", "crm:9001", "1", quarter=quarter) == 400, quarter
    assert call("mine", "crm:9001", "999,000,000") == 303  # the newest one counts
    text = _as(client, "head", "/renewals/?quarter=2026Q2")
    assert "999,000,000" in text and "above P90" in text
    assert "above P90" not in _as(client, "region", "/renewals/?quarter=2026Q2")
    assert "Enter a call" in text and "Enter a call" not in _as(client, "executive", "/renewals/?quarter=2026Q2")
    assert "called 999000000.00" in _as(client, "head", "/ledger/")
    said = CliRunner().invoke(app, ["score", "calls"])
    assert "above P90" in said.output and "Owner One" in said.output
    assert CliRunner().invoke(app, ["score", "call", "2026Q1", "5", "--csm", "crm:9001"]).exit_code == 1  # over


def test_form_of_another_site_or_login_changes_nothing(client, plugin, world):  # noqa: F811
    token = _token(plugin, "head")
    for wrong in (
        _post(client, "head", token, origin="https://evil.example", action="pulse", score="1"),
        _post(client, "head", token, origin="null", action="pulse", score="1"),
        _post(client, "head", token, origin=None, action="pulse", score="1"),
        _post(client, "head", _token(plugin, "lead"), action="pulse", score="1"),
        _post(client, "head", "x", action="pulse", score="1"),
    ):
        assert wrong.status_code == 403
    refused = [
        _post(client, "head", token, action="pulse", score=score, reason=reason, account=account)
        for score, reason, account in (
            ("9", "x", "crm:1"),
            ("", "x", "crm:1"),
            ("1", " ", "crm:1"),
            ("1", "x", "crm:0"),
        )
    ]
    refused += [
        _post(client, "head", token, action="override", score="101"),
        _post(client, "head", token, action="override", score="pink"),
        *(_post(client, "head", token, action="override", score="50", days=days) for days in ("61", "0", "99999999")),
        _post(client, "head", token, action="lift"),
        _post(client, "head", token, action="drop"),
    ]
    assert {answer.status_code for answer in refused} == {400}
    assert "pulse" not in _as(client, "head", "/ledger/")


def _as(client, role: str, path: str) -> str:  # noqa: F811
    answer = client.get(path, headers={"Authorization": f"Bearer {role}"})
    assert answer.status_code in (200, 404), answer.text
    return answer.text
