"""Reports: one edition per content, visible corrections, and only data that their readers may see."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from datetime import date
from html import unescape
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.common.errors import ConfigError
from include.deliver.render import email
from include.outbox.message import Message
from include.reports import archive, document, mask, pdf, periods, publish, spec
from include.reports.archive import Edition
from include.warehouse.engine import engine
from tests.fixtures.vendor_server import serve
from tests.reports import book

ALL = {"cs_operations_monthly", "executives_monthly", "executives_weekly", "product_weekly", "regions_weekly"}


@pytest.fixture
def filled(built: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Activate the book. Return the overlay."""
    book.fill(tmp_path)
    return tmp_path


def execute(statement: str, **values: object) -> None:
    with engine("owner").begin() as connection:
        connection.execute(sa.text(statement), values)


def editions(report: str) -> list[Edition]:
    with engine("reader").connect() as connection:
        listed = [one for one in archive.listing(connection) if one.report == report]
        return [archive.get(connection, one.report_id) for one in reversed(listed)]


def mails(report: str) -> list[tuple[str, str, str]]:
    with engine("reader").connect() as connection:
        query = "select recipient, subject, cast(body as text) from ops.outbox where version like :name order by 1, 2"
        return [tuple(row) for row in connection.execute(sa.text(query), {"name": f"{report} %"})]


def section(one: Edition, title: str) -> dict[str, object]:
    return next(each for each in one.data["sections"] if each["title"] == title)


def test_same_figures_give_one_edition_and_corrected_ones_two(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = publish.publish()
    assert {one.report for one in made if one.is_new} == ALL | {"germany", "china", "asia", "usage"}
    (first,) = editions("executives_monthly")
    assert first.sha256 == hashlib.sha256(first.html.encode()).hexdigest()
    assert document.html(first.data) == first.html
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<link|<img", first.html)
    assert "head@vendor.example" in {to for to, _, _ in mails("executives_monthly")}
    assert not any(one.is_new or one.n_planned for one in publish.publish())
    # The next day does not recompute the newest day.
    execute(
        "insert into marts.account_day (account_key, day, arr, is_customer) values ('crm:101', '2026-06-11', 7, true)"
    )
    execute("update ops.episode set state = 'closed'")
    assert [one.report for one in publish.publish() if one.is_new] == []

    execute("update marts.kpi_value set value = 4000 where metric_id = 'arr' and period = 'month' and grain = 'all'")
    (again,) = (one for one in publish.publish() if one.is_new)
    assert (again.report, again.edition) == ("executives_monthly", 2)
    assert not any(one.is_new for one in publish.publish())
    before, after = editions("executives_monthly")
    assert before == first
    assert "corrected edition 2" in after.html and "Amounts in USD." in after.html
    assert "<td>2,400 in edition 1, +1,600; 2026-04-30: 4,800 in edition 1, -800</td>" in after.html
    subjects = [subject for to, subject, _ in mails("executives_monthly") if to == "head@vendor.example"]
    assert subjects == [
        "Customer success, monthly: May 2026",
        "Customer success, monthly: May 2026, corrected edition 2",
    ]
    assert section(after, "Top risks by ARR") == section(first, "Top risks by ARR")

    # June shows the differences from May's last edition.
    execute("update marts.kpi_value set value = 4321 where metric_id = 'arr' and period = 'month' and grain = 'all'")
    monkeypatch.setattr(publish, "_newest", lambda connection: date(2026, 7, 9))
    publish.publish("executives_monthly", "2026-06")
    (june,) = (one for one in editions("executives_monthly") if one.period == "2026-06")
    assert "2026-05-31: 4,000 in the report of 2026-05, +321" in june.html


def test_changed_report_file_applies_from_the_next_period(filled: Path) -> None:
    publish.publish("germany")
    path = filled / "reports" / "germany.yaml"
    path.write_text(path.read_text() + "  - {title: New, text: Hello.}\n")
    (kept,) = publish.publish("germany")
    assert not kept.is_new and "has changed" in kept.reason
    (asked,) = publish.publish("germany", "2026-W23")
    assert asked.is_new and asked.edition == 2


def test_no_report_during_a_first_load(filled: Path) -> None:
    execute("update meta.build set watermarks = watermarks - 'support'")
    execute(
        "insert into meta.batch (source, vendor, entity, state, table_name, until, opened_at)"
        " values ('support', 'zendesk', 'ticket', 'closed', 'batch_1', now(), now())"
    )
    made = publish.publish()
    assert {one.report for one in made} >= ALL and not any(one.is_new for one in made)
    assert all("the first load of support is in progress" in one.reason for one in made)
    execute("update meta.batch set opened_at = now() - interval '31 minutes', closed_at = null, merged_at = null")
    assert any(one.is_new for one in publish.publish())


def test_missing_data_and_red_sources_are_stated(filled: Path) -> None:
    execute("delete from ops.decision")
    execute("delete from marts.kpi_value where metric_id = 'nrr'")
    execute("update meta.verdict set state = 'red', since = '2026-06-09 08:00+00' where source = 'crm'")
    publish.publish()
    (one,) = editions("executives_monthly")
    assert section(one, "Top risks by ARR")["note"] == "Not available: the DAG decide has not run yet."
    (nrr,) = (row for row in section(one, "Metrics against target")["rows"] if row[0].startswith("Net revenue"))
    assert nrr[1] == "not available" and "0" not in nrr[1]
    assert "crm: held since 2026-06-09 08:00 UTC." in one.html
    ((_, _, body), *_) = mails("executives_monthly")
    assert "held since" in body and "the DAG decide has not run yet" in body
    said = Message.model_validate_json(body)
    for text in (email.text(said), unescape(email.html(said))):
        assert f"https://airflow.example/perennial/reports/?id={one.report_id}" in text and "ARR" in text
    (load,) = section(editions("cs_operations_monthly")[0], "Workload by team")["rows"][:1]
    assert load[-2:] == ["-", "-"]  # no task was ever read back
    # A source that turns green is no new edition; newly available data is.
    execute("update meta.verdict set state = 'green'")
    assert not any(each.is_new for each in publish.publish())
    execute(book.DECIDED)
    assert {each.report for each in publish.publish() if each.is_new} >= {"executives_monthly", "germany"}


def test_readers_see_only_their_own_data(filled: Path) -> None:
    publish.publish()
    texts = {}
    for name in (*ALL, "germany", "china", "asia", "usage"):
        (one,) = editions(name)
        texts[name] = unescape(one.html) + json.dumps(one.data) + "".join(map(str, mails(name)))
    for name in texts.keys() - {"cs_operations_monthly"}:
        assert [person for person in book.PERSONS if person in texts[name]] == [], name
    # Accounts and amounts are only for readers who see them on the pages.
    assert "Customer 16" in texts["executives_weekly"] and "216,111" in texts["executives_weekly"]
    assert "crm:116" in texts["usage"]
    for hidden in (*book.NAMES, "216,111", "50,000", "800,000", "640,000", "1,845,999"):
        assert hidden not in texts["product_weekly"] + texts["usage"], hidden
    assert "Lea Lead" in texts["cs_operations_monthly"] and "Olga Override" in texts["cs_operations_monthly"]
    # A region's report contains only its accounts.
    assert "Customer 01" in texts["germany"] and not re.search(r"Customer 1[2-6]", texts["germany"])
    assert not re.search(r"Customer (0\d|1[016])", texts["china"])
    # Team Tiny's two accounts are hidden, and so is the one other team, which would reveal them.
    load = section(editions("cs_operations_monthly")[0], "Workload by team")
    assert [row[:7] for row in load["rows"]] == [
        ["East", "Lea Lead", "9", "1,845,999", "-", "9", "450,000"],  # of two CSMs
        ["West", "-", "5", "1,070,555", "-", "5", "250,000"],
        ["Tiny", "-", "2", "421,222", "-", "2", "100,000"],
    ]
    load = section(editions("germany")[0], "Load")
    assert [row[0] for row in load["rows"]] == ["East", "Tiny"]
    assert {cell for row in load["rows"] for cell in row[1:]} == {mask.withheld()}
    assert ", n " not in load["note"]
    # China has four: its ARR and forecast are hidden in every report that lists it.
    for name in ("china", "asia"):
        assert "765,432" not in texts[name] and "54,321" not in texts[name]
    assert "987,654" in texts["asia"] and "987,654" in texts["germany"]
    assert section(editions("china")[0], "Forecast")["rows"][0][1:] == [mask.withheld()] * 6


@pytest.mark.parametrize(
    ("sizes", "withheld"),
    [
        ([], set()),
        ([5, 6], set()),
        ([0, 9], set()),
        ([4], {0}),
        ([4, 9, 20], {0, 1}),
        ([1, 2, 30, 6], {0, 1, 3}),  # two small groups of three together are still a small group
        ([3, 3, 9], {0, 1}),
        ([4, 0, 9], {0, 2}),
    ],
)
def test_small_groups_cannot_be_inferred(sizes: list[int], withheld: set[int]) -> None:
    assert mask.small(sizes) == withheld


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        ("cadence: daily", 4, "cadence"),
        ("name: other", 1, "is called bad.yaml"),
        ("recipients: [nobody]", 6, "unknown recipient nobody"),
        ("sections: [{title: A, metrics: [arrr]}]", 7, "unknown metric arrr"),
        ("sections: [{title: A, charts: [bands]}]", 7, "charts cover all accounts"),
        ("sections: [{title: A, table: overrides}]", 7, "overrides covers all accounts"),
        ("sections: [{title: A, table: nothing}]", 7, "unknown table"),
        ("sections: [{title: A}]", 7, "needs text, metrics, charts or a table"),
        ("audience: product", 7, "arr is an amount"),
        ("sectoins: []", 8, "unknown key"),
    ],
)
def test_invalid_file_is_reported_with_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str, line: int, message: str
) -> None:
    book.settings(tmp_path)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    lines = [
        "name: bad", "title: Bad", "audience: regions", "cadence: weekly", "regions: [Germany]", "recipients: [queue]",
        "sections: [{title: A, metrics: [arr]}]",
    ]  # fmt: skip
    key = change.partition(":")[0]
    lines = [change if one.startswith(f"{key}:") else one for one in lines]
    text = "\n".join(lines if change in lines else [*lines, change])
    (tmp_path / "reports" / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(f"bad.yaml:{line}")) as found:
        spec.load()
    assert message in str(found.value)
    # A report on all accounts can be disabled like any other file.
    (tmp_path / "reports" / "bad.yaml").write_text("disabled: true\n")
    assert "bad" not in spec.load()


@pytest.mark.parametrize(
    ("cadence", "newest", "wait", "name", "first", "last"),
    [
        ("monthly", "2026-06-10", 3, "2026-05", "2026-05-01", "2026-05-31"),
        ("monthly", "2026-06-03", 3, "2026-04", "2026-04-01", "2026-04-30"),
        ("monthly", "2026-01-04", 3, "2025-12", "2025-12-01", "2025-12-31"),
        ("weekly", "2026-06-10", 1, "2026-W23", "2026-06-01", "2026-06-07"),
        ("weekly", "2026-06-08", 1, "2026-W22", "2026-05-25", "2026-05-31"),
        ("weekly", "2027-01-06", 0, "2026-W53", "2026-12-28", "2027-01-03"),
        ("quarterly", "2026-01-04", 3, "2025Q4", "2025-10-01", "2025-12-31"),
        ("quarterly", "2026-07-03", 3, "2026Q1", "2026-01-01", "2026-03-31"),
    ],
)
def test_period_is_due_once_it_is_over(cadence, newest, wait, name, first, last) -> None:
    found = periods.due(cadence, date.fromisoformat(newest), wait)
    assert (found.name, str(found.first), str(found.last)) == (name, first, last)
    assert periods.named(cadence, name) == found and found.length == cadence
    wrong = {"monthly": ("2026-99", "9999-12"), "weekly": ("2026-W99", "9999-W52"), "quarterly": ("9999Q4",)}
    for text in wrong[cadence]:
        with pytest.raises(ConfigError):
            periods.named(cadence, text)


def test_editions_are_append_only(filled: Path) -> None:
    publish.publish("germany")
    for statement in ("update ops.report set html = ''", "delete from ops.report"):
        with pytest.raises(sa.exc.ProgrammingError) as found, engine("builder").begin() as connection:
            connection.exec_driver_sql(statement)
        assert isinstance(found.value.orig, psycopg.errors.InsufficientPrivilege)


def test_report_commands(filled: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    execute("update core.account set name = '<script>1</script>' where account_key = 'crm:102'")
    execute("update ops.episode set account_key = 'crm:102' where account_key = 'crm:101'")
    assert "there are no reports yet" in run(app, ["report", "list"]).output
    made = json.loads(run(app, ["report", "make", "germany", "--json"]).output)
    assert (made[0]["edition"], made[0]["n_planned"]) == (1, 0)  # e-mail is in dry run
    (one,) = editions("germany")
    assert one.sha256 in run(app, ["report", "list"]).output
    shown = run(app, ["report", "show", str(one.report_id)]).output
    assert "<script>1" in shown and "withheld" in shown
    page = tmp_path / "page.html"
    assert run(app, ["report", "show", str(one.report_id), "--html", str(page)]).exit_code == 0
    assert page.read_text() == one.html
    assert "&lt;script&gt;1" in one.html and "<script" not in one.html
    assert run(app, ["report", "show", "99"]).exit_code != 0
    assert run(app, ["report", "make", "germany", "--period", "2026-W24"]).exit_code != 0  # the period is not over


def test_pdf_requires_weasyprint_and_fetches_nothing(
    warehouse: str, monkeypatch: pytest.MonkeyPatch, socket_enabled: None
) -> None:
    if not pdf.why_not():
        with serve(lambda call: (200, {})) as server:  # type: ignore[arg-type, return-value]
            assert pdf.of(f"<p>x</p><img src='{server.url}/a.png'><img src='file:///etc/passwd'>").startswith(b"%PDF")
            assert server.calls == []
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ConfigError, match="HTML only"):
        pdf.of("<p>x</p>")
    assert "reports are HTML only" in CliRunner().invoke(app, ["status"]).output
