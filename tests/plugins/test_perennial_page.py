"""The pages in Airflow's UI: closed without a login, safe with hostile data, complete with real data."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from html import unescape
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import sqlalchemy as sa

from include.sandbox.demo import pictures
from include.warehouse.engine import engine
from tests.fixtures.renewal_rows import TODAY, renewal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("perennial_page", ROOT / "plugins" / "perennial.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["perennial_page"] = module
    spec.loader.exec_module(module)
    return module


def test_documentation_has_a_picture_of_every_page(plugin: ModuleType) -> None:
    assert set(plugin.PAGES) <= {path.partition("?")[0] for path in pictures.PAGES.values()}
    for language in pictures.LANGUAGES:
        assert set(pictures.PAGES) <= {file.stem for file in (pictures.FOLDER / language).glob("*.webp")}


@pytest.fixture
def client(plugin, socket_enabled, monkeypatch):
    """A client of the pages only, with Airflow's login check and two known tokens."""
    from airflow.api_fastapi.core_api import security
    from fastapi.testclient import TestClient
    from jwt import InvalidTokenError

    class AuthManager:
        async def get_user_from_token(self, token: str) -> SimpleNamespace:
            if token == "forged":
                raise InvalidTokenError
            return SimpleNamespace(name=token, get_name=lambda: token)

        def is_authorized_dag(self, *, method, user, details, access_entity=None) -> bool:
            assert (method, details.id) == ("GET", "build_kpis")
            return user.name != "stranger"

    monkeypatch.setattr(security, "get_auth_manager", AuthManager)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)
    return TestClient(plugin.app)


def _get(client, token: str | None, path: str = "/"):
    return client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("forged", 403), ("stranger", 403)])
def test_page_is_closed_without_a_login(client, token, status):
    answer = _get(client, token)
    assert answer.status_code == status
    assert "Quarantine" not in answer.text


def test_another_dag_in_the_query_string_grants_nothing(client):
    assert _get(client, "stranger", "/?dag_id=mine").status_code == 403


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_api_documentation_is_closed(client, path):
    assert _get(client, None, path).status_code == 404


def test_four_pages_accept_forms(client, plugin):
    methods = {method for route in plugin.app.routes for method in route.methods}
    assert methods <= {"GET", "HEAD", "POST"}
    posts = [route.path for route in plugin.app.routes if "POST" in route.methods]
    assert posts == ["/account/", "/customer-report/", "/renewals/", "/discounts/"]
    assert client.post("/").status_code == 405


def test_page_of_an_empty_warehouse(client, warehouse):
    answer = _get(client, "viewer")
    assert answer.status_code == 200
    assert "turn the ingest DAGs on" in answer.text


def test_page_is_in_the_browsers_language_or_the_logins(client, warehouse, tmp_path, monkeypatch):
    def asked(login: str, accepted: str):
        return client.get("/", headers={"Authorization": f"Bearer {login}", "Accept-Language": accepted}).text

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "viewers.yaml").write_text("viewers: {hans: {role: head, language: de}}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    found = {login: asked(login, "zh-CN,zh;q=0.9,en;q=0.8") for login in ("hans", "viewer")}
    assert '<html lang="de">' in found["hans"]
    assert "Datenzustand" in found["hans"]
    assert '<html lang="zh-CN">' in found["viewer"]
    assert "数据健康" in found["viewer"]
    assert '<html lang="en">' in asked("viewer", "fr")


@pytest.mark.parametrize("language", ["de", "en"])
def test_wrong_file_of_translations_is_one_clear_message(client, warehouse, tmp_path, monkeypatch, language):
    (tmp_path / "locales" / language).mkdir(parents=True)
    (tmp_path / "locales" / language / "mine.po").write_text('msgid "For {reader}"\nmsgstr "For all"\n')
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    answer = client.get("/", headers={"Authorization": "Bearer viewer", "Accept-Language": language})
    assert answer.status_code == 503
    assert f"{language}/mine.po:1" in answer.text


def test_hostile_rows_are_shown_as_text(client, warehouse):
    evil = "<script>alert(1)</script>"
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("""
                insert into meta.batch (source, vendor, entity, state, table_name, until, hold_reason, n_rows)
                values ('crm', 'hubspot', 'account', 'held', 'batch_1', now(), :evil, 7);
            """),
            {"evil": evil},
        )
        connection.execute(
            sa.text("""
                insert into meta.verdict (source, kind, entity, state, reason, cure)
                values ('crm', 'crm', '', 'red', :evil, 'python -m include.cli batch accept 1')
            """),
            {"evil": evil},
        )
    answer = _get(client, "viewer")
    assert answer.status_code == 200
    assert evil not in answer.text
    assert answer.text.count("&lt;script&gt;") == 3
    assert "batch accept 1 --reason" in answer.text
    nonce = answer.headers["content-security-policy"].split("nonce-")[1].split("'")[0]
    assert answer.text.count("<script") == 1
    assert f'<script nonce="{nonce}">' in answer.text


def test_page_links_to_pending_decisions(client, warehouse):
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text("""
                insert into meta.batch (source, vendor, entity, state, table_name, until, hold_reason, n_rows)
                values ('crm', 'hubspot', 'account', 'held', 'batch_1', now(), 'half', 7);
                insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, state)
                values (1, 1, 'crm', 'account', '1', 'crm.account.name_present', 'no name', 'open');
                insert into meta.verdict (source, kind, entity, state, reason, cure)
                values ('crm', 'crm', '', 'red', 'half', 'first `batch show 1`, then `batch drop 1`');
                insert into ops.approval (approval_id, run_id, reason, authors, asked_at, expires_at)
                values ('20261123-1', 'r', 'the cap of 20 actions per run', '{root}', now(), now() + interval '2 days');
                insert into meta.build
                (build_id, kind, state, window_start, window_end, known_at, newest_day, first_day, trigger)
                values ('b', 'forward', 'done', '2026-11-23', '2026-11-24', now(), '2026-11-23', '2026-11-23', 'day');
                insert into meta.check_result (build_id, model, check_name, severity, n_bad)
                values ('b', 'core.account', 'some_check', 'warn', 2), ('b', 'core.ticket', 'kept', 'warn', 0);
            """)
        )
    text = _get(client, "viewer").text
    assert "first <code>batch show 1</code>, then <code>batch drop 1</code>" in text
    assert text.count('/dags/review_quarantine" target="_top">review_quarantine</a>') == 2
    assert '/required_actions" target="_top">' in text and "the cap of 20 actions per run" in text
    assert "the account has no name" in text
    assert "<code>core.account: some_check</code>" in text and "kept</code>" not in text


def test_uncertain_messages_show_no_personal_data(client, warehouse):
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text("""
                insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,
                    recipient, subject, body, reads, not_after, state, reason, decision_id, version)
                values ('k', 'slack', 'renewal', 'c#1', 'renewal_ladder', 1, '90', 'crm:1',
                    'ada@example.com', 'Secret subject', '{}', '{crm}', now(), 'uncertain', 'no answer', 'd', '1')
            """)
        )
    text = _get(client, "viewer").text
    assert "no answer" in text
    assert "ada@example.com" not in text
    assert "Secret subject" not in text


def test_unreachable_warehouse_is_one_clear_message(client, monkeypatch):
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql+psycopg://u:hidden@127.0.0.1:1/none")
    answer = _get(client, "viewer")
    assert answer.status_code == 503
    assert "The warehouse cannot be read" in answer.text
    assert "hidden" not in answer.text


def test_pages_are_in_the_menu(plugin):
    views = plugin.PerennialPlugin.external_views
    assert {view["destination"] for view in views} == {"nav"}
    assert len({view["url_route"] for view in views}) == len(views)
    paths = {route.path for route in plugin.app.routes}
    assert {view["href"].rpartition("/perennial")[2] for view in views} == paths - {
        "/brief/", "/brief/pdf/", "/customer-report/", "/customer-report/pdf/", "/touch/",
    }  # fmt: skip


def test_quality_page_of_an_empty_warehouse(client, warehouse):
    answer = _get(client, "viewer", "/")
    assert answer.status_code == 200 and "0 batches were validated" in answer.text


def test_quality_page_shows_trends_and_no_row_values(client, warehouse):
    from include.contracts.validate import validate
    from include.operations.incidents import notify
    from tests.contracts.landed import good, land

    rows = good("contact", 60)
    rows[0] |= {"_problems": ["email=anna@secret.example"], "first_name": "Annabel"}
    rows[1] |= {"email": "no-address-of-anna"}
    land("contact", rows, is_first_load=True)
    validate("crm")
    notify.run()
    answer = _get(client, "viewer", "/")
    assert answer.status_code == 200
    assert "crm.contact.castable" in answer.text and "rows:crm:crm.contact.castable" in answer.text
    assert "rows of crm.contact are quarantined by crm.contact.castable" in answer.text
    # A passed batch rule does not count as broken, however many rows it counted.
    assert "share_of_bad_rows" not in answer.text
    assert "1 of 60" in answer.text and answer.text.count("<svg") >= 3 and "1.67%" in answer.text
    # No row values, and nothing loaded from other hosts.
    assert not any(
        word in answer.text for word in ("anna@", "Annabel", "Holm", "secret.example", "http://", "https://")
    )
    assert answer.text.count("<script") == 1


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("forged", 403), ("stranger", 403)])
def test_why_page_is_closed_without_a_login(client, token, status):
    answer = _get(client, token, "/why/?account=crm:1")
    assert answer.status_code == status and "Decided on" not in answer.text


def test_why_page_asks_for_an_account_and_reports_unknown_ones(client, warehouse):
    asked = _get(client, "viewer", "/why/")
    assert asked.status_code == 200 and '<input id="account" name="account" value=""' in asked.text
    assert "form-action 'self'" in asked.headers["content-security-policy"]
    evil = "<script>alert(1)</script>"
    answer = client.get("/why/", params={"account": evil}, headers={"Authorization": "Bearer viewer"})
    assert answer.status_code == 200 and "no decision yet is recorded" in answer.text
    assert evil not in answer.text and "&lt;script&gt;" in answer.text
    assert "is not a date" in _get(client, "viewer", "/why/?account=crm:1&day=x").text


def test_why_page_shows_each_rule_with_reasons_and_no_personal_data(client, book):
    book.renewals(renewal(1, days=30, account_name="Customer <b>one</b>"))
    book.quarantine("1002")
    book.decide()
    text = _get(client, "viewer", "/why/?account=crm:1001").text
    assert f'<option value="{TODAY}" selected>' in text and "C-1#2" in text
    assert "<code>passed_over</code>" in text and "<code>opened</code>" in text and "<code>not_due</code>" in text
    assert "Renewal ladder" in text and "Usage is down" in text and "Playbooks" in text
    assert not any(word in unescape(text) for word in ("<b>one", "Ada", "vendor.example", "Grace"))


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("stranger", 403)])
def test_health_page_is_closed_without_a_login(client, token, status):
    answer = _get(client, token, "/health/")
    assert answer.status_code == status
    assert "Back-test" not in answer.text


def test_health_page_reports_unknown_accounts(client, warehouse):
    assert "There are no scores yet" in _get(client, "viewer", "/health/").text
    evil = "<script>alert(1)</script>"
    answer = client.get("/health/", params={"account": evil, "day": "x"}, headers={"Authorization": "Bearer viewer"})
    assert "<script>alert" not in answer.text
    assert "is not a date" in answer.text


def test_health_page_shows_the_board_and_the_lines_of_an_account(client, built):
    from include.scores.health import explanation, record

    record.run(date(2026, 6, 10))
    board = _get(client, "viewer", "/health/").text
    assert "Lowest" in board
    assert "crm:1" in board
    assert "losses are settled" in board
    found = explanation.of_day("crm:1")
    text = _get(client, "viewer", "/health/?account=crm:1&since=2026-05-20").text
    assert f'<span class="big">{found.shown}</span>' in text
    for part in found.parts:
        assert part.measure in unescape(text)
    assert text.count('class="got"') == sum(part.points is not None for part in found.parts) > 0
    assert "Why it changed since 20 May 2026" in text
    assert "polyline points" in text
