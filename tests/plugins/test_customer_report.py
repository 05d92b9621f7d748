"""The pages of a customer's report: open to its CSM, lead and head, who approve it by a form of these pages."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

import pytest

from include.reports import pdf
from include.reports.customer import archive, document, draft
from include.warehouse.engine import engine
from tests.plugins.test_perennial_page import client, plugin  # noqa: F401
from tests.reports.customer.conftest import MINE, PERIOD, book  # noqa: F401

ROLES = """
viewers:
  mine: {role: csm, owner: "crm:91"}
  other: {role: csm, owner: "crm:92"}
  lead: {role: lead, teams: [East]}
  head: {role: head}
  executive: {role: executive}
  region: {role: region, regions: [Germany]}
"""
SITE = "http://testserver"


@pytest.fixture
def report(book) -> archive.Edition:  # noqa: F811
    (Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "viewers.yaml").write_text(ROLES)
    draft.draft()
    return newest()


def newest() -> archive.Edition:
    with engine("reader").connect() as connection:
        return archive.newest(connection, [MINE], PERIOD)[MINE]


def get(client, role: str, path: str):  # noqa: F811
    return client.get(path, headers={"Authorization": f"Bearer {role}"})


def test_report_and_pdf_are_open_to_the_accounts_people_only(client, report, monkeypatch):  # noqa: F811
    monkeypatch.setattr(pdf, "of", lambda html: html.encode())
    number = report.customer_report_id
    for role in ("mine", "other", "lead", "head", "executive", "region", "viewer"):
        page, file = (get(client, role, f"/customer-report/{kind}?id={number}") for kind in ("", "pdf/"))
        may = role in ("mine", "lead", "head")
        assert (page.status_code, file.status_code) == ((200, 200) if may else (404, 404)), role
        assert ("Shorter planning" in page.text) == ("Shorter planning" in file.text) == may, role
        listed = get(client, role, "/customer-report/").text
        assert (f"?id={number}" in listed) == may and "Shorter planning" not in listed, role
        if may:
            assert document.DRAFT in page.text and document.DRAFT in file.text
            assert file.headers["content-type"] == "application/pdf"
            assert 'name="next_steps"' in page.text
    own = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "customer_report.yaml"
    own.write_text(f"cadence: monthly\nopted_out: ['{MINE}']\n")
    listed, page = (get(client, "head", f"/customer-report/{query}") for query in ("", f"?id={number}"))
    assert (listed.status_code, page.status_code) == (200, 200)
    assert "?id=" in listed.text and f"?id={number}" not in listed.text and 'name="next_steps"' not in page.text


def test_report_is_approved_once_by_its_own_form(client, report, monkeypatch):  # noqa: F811
    number = report.customer_report_id
    token = re.search(r'name="token" value="([^"]+)"', get(client, "mine", f"/customer-report/?id={number}").text)[1]
    form = {"id": number, "token": token, "next_steps": "We meet <soon>." + "\r\n" * 1000 + "Bye."}

    def post(role: str, origin: str = SITE):
        headers = {"Authorization": f"Bearer {role}", "Origin": origin}
        return client.post("/customer-report/", data=form, headers=headers, follow_redirects=False)

    assert post("mine", "https://elsewhere.example").status_code == 403
    assert post("lead").status_code == 403  # the token of another login
    assert not newest().is_approved
    assert post("mine").status_code == 303
    kept = newest()
    assert (kept.approved_by, kept.next_steps) == ("mine", "We meet <soon>." + "\n" * 1000 + "Bye.")
    assert post("mine").status_code == 400
    page = unescape(get(client, "mine", f"/customer-report/?id={kept.customer_report_id}").text)
    assert document.DRAFT not in page and document.REPLACED not in page
    replaced = get(client, "mine", f"/customer-report/?id={number}").text
    assert document.REPLACED in replaced
    monkeypatch.setattr(pdf, "of", lambda html: html.encode())
    assert document.REPLACED in get(client, "mine", f"/customer-report/pdf/?id={number}").text
    file = get(client, "mine", f"/customer-report/pdf/?id={kept.customer_report_id}")
    assert file.content == kept.html.encode()
    assert "We meet <soon>." in page and 'name="next_steps"' not in page


def test_brief_is_a_pdf_for_those_who_see_its_page(client, report):  # noqa: F811
    for role in ("other", "executive"):
        refused = get(client, role, f"/brief/pdf/?account={MINE}")
        assert refused.status_code == 404 and "No file was made" in refused.text and "Not recorded" not in refused.text


def test_list_of_a_touch_is_a_file_for_those_who_see_persons(client, report):  # noqa: F811
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "insert into ops.touch_list values ('small_asleep', '2026-06-01', 1, 1, 1, '{}', 'x', now());"
            f"insert into ops.touch_contact values ('small_asleep', '2026-06-01', 1, 'crm:c1', '{MINE}', 'crm:c1,Ada')"
        )
    assert get(client, "executive", "/touch/?name=small_asleep").status_code == 404
    assert get(client, "mine", "/touch/?name=none").status_code == 404
    for day in ("2026-06-02", "yesterday"):
        assert get(client, "mine", f"/touch/?name=small_asleep&day={day}").status_code == 404
    link = "/touch/?name=small_asleep&day=2026-06-01"
    assert link in unescape(get(client, "mine", "/playbooks/").text)
    assert link not in unescape(get(client, "other", "/playbooks/").text)
    file = get(client, "mine", link)
    assert file.headers["content-type"].startswith("text/csv") and file.text.endswith("\ncrm:c1,Ada\n")
    assert file.content.startswith("\ufeffcontact_key,".encode())  # Excel would otherwise garble Müller and 杭州
    assert get(client, "other", "/touch/?name=small_asleep").text.count("\n") == 1
