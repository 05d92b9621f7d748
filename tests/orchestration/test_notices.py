"""The data's owner is notified once per outage, with the failure, its start and the command to rerun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa
from typer.core import TyperGroup as Group
from typer.main import get_command

from include.cli.main import app
from include.common import texts
from include.common.errors import AuthError, NotOffered
from include.config.person import Person
from include.continuation import review
from include.deliver import notices as sender
from include.deliver.channels.base import Outcome
from include.gate import verdicts
from include.gate.source_failures import recorded
from include.ingest import schema_drift
from include.orchestration import notices
from include.orchestration.notices import Failure, failing_since, notify_owner, write
from include.outbox.message import Message

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


def _context(error: BaseException | None = None) -> dict:
    ti = SimpleNamespace(task_id="extract_account", log_url="http://localhost/log")
    return {"dag": SimpleNamespace(dag_id="ingest_crm"), "ti": ti, "exception": error}


def test_outage_is_reported_once(warehouse):
    told = [failing_since("ingest_crm/merge", NOON + n * 15 * MINUTES) for n in range(12)]
    assert told == [NOON] + [None] * 11


def test_outage_is_repeated_daily_with_its_start(warehouse):
    times = [NOON + n * 30 * MINUTES for n in range(100)]
    told = {at: since for at in times if (since := failing_since("ingest_crm/merge", at))}
    assert told == {NOON: NOON, NOON + timedelta(hours=24): NOON, NOON + timedelta(hours=48): NOON}


def test_failure_after_a_quiet_hour_is_a_new_outage(warehouse):
    assert failing_since("k", NOON) == NOON
    later = NOON + 61 * MINUTES
    assert failing_since("k", later) == later


def test_failures_of_other_tasks_are_separate_outages(warehouse):
    assert failing_since("ingest_crm/merge", NOON) == NOON
    assert failing_since("ingest_crm/validate", NOON) == NOON


def test_outage_is_reported_without_a_warehouse(monkeypatch, socket_enabled):
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql+psycopg://u:p@127.0.0.1:1/none")
    assert failing_since("k", NOON) == NOON


def test_notice_states_failure_start_and_command():
    failure = Failure("pre_ingest_crm", "ingest_crm", "merge", "no space left | free some space", "http://localhost/x")
    message = write(failure, NOON)
    assert message.subject == "pre_ingest_crm, task merge has been failing since 30 Jun 2026 12:00 UTC"
    assert message.summary == "no space left | free some space"
    assert "python -m include.cli ingest crm" in message.next_steps[0]
    assert message.links[0].url == "http://localhost/x"


SEVERAL = """
sources:
  - {id: crm, kind: crm, owner: {name: A, email: a@vendor.example}}
  - {id: crm_eu, kind: crm, owner: {name: B, email: b@vendor.example}}
"""


def test_owner_of_the_failed_connection_is_notified(warehouse, sent, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\n")
    (tmp_path / "config" / "settings.yaml").write_text(SEVERAL)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    context = _context(AuthError("no"))
    context["ti"].task_id = "crm_eu.extract_account"
    notify_owner(context)
    assert [email for _, email, _ in sent] == ["b@vendor.example"]
    failure = Failure("ingest_crm", "ingest_crm", "crm_eu.merge", "no", "")
    assert "include.cli ingest crm_eu" in write(failure, NOON).next_steps[0]


def test_failed_field_notice_does_not_block_the_verdict(monkeypatch, socket_enabled, logged):
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql+psycopg://u:p@127.0.0.1:1/none")
    notices.notify_changes("crm")
    assert "the next run tries again" in "\n".join(logged)


def test_every_dag_has_its_command():
    files = {path.stem: path.read_text() for path in (Path(__file__).parents[2] / "dags").glob("*.py")}
    assert {name for name in notices.COMMANDS if "." not in name} == files.keys()
    for name, _, task in (name.partition(".") for name in notices.COMMANDS if "." in name):
        assert f"def {task}(" in files[name]


@pytest.mark.parametrize("command", sorted(set(notices.COMMANDS.values())))
def test_command_exists_with_its_options(command):
    found = get_command(app)
    for word in command.split():
        if isinstance(found, Group):
            found = found.commands[word]
        elif word.startswith("--"):
            assert word in {name for parameter in found.params for name in parameter.opts}


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("list_discounts", "discounts unapproved --month MONTH"),
        ("judge_features", "analysis features --keep"),
        ("list_competitors", "competitors reasons --unanswered"),
    ],
)
def test_task_has_its_own_command_or_that_of_its_dag(task, command):
    step = write(Failure("pre_run_analyses", "run_analyses", task, "no", ""), NOON).next_steps[0]
    assert step.endswith(f"include.cli {command}")


def test_database_error_shows_no_statement_and_no_values():
    error = sa.exc.OperationalError("insert into raw.x values (:email)", {"email": "ada@x.example"}, Exception("down"))
    assert "ada@x.example" not in notices._reason(error)
    assert "insert" not in notices._reason(error)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.InvalidDatetimeFormat('invalid input syntax for type date: "ada@x.example"\nCONTEXT: COPY x'),
        psycopg.errors.UniqueViolation("duplicate key\nDETAIL: (email)=(ada@x.example) exists"),
        ValueError("ada@x.example"),
    ],
)
def test_third_party_error_shows_no_values(error):
    assert "ada@x.example" not in notices._reason(error)


@pytest.fixture
def logged(monkeypatch):
    lines: list[str] = []

    def note(text: str, *values: object) -> None:
        lines.append(text % values)

    for module in (notices, sender):
        monkeypatch.setattr(module, "log", SimpleNamespace(info=note, warning=note, error=note))
    return lines


@pytest.fixture
def sent(monkeypatch):
    posted: list[tuple[str, str, str]] = []

    def send(channel: str, to: str, message: Message, key: str) -> Outcome:
        posted.append((channel, to, message.subject))
        return Outcome("sent")

    monkeypatch.setattr(sender, "send", send)
    return posted


def test_nothing_is_sent_while_channels_are_in_dry_run(warehouse, sent, logged):
    notify_owner(_context(AuthError("the CRM refused the token", cure="put a new one into connection crm")))
    assert sent == []
    assert "put a new one into connection crm" in "\n".join(logged)


def test_notice_reaches_the_source_owner_on_enabled_channels(warehouse, sent, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    notify_owner(_context(AuthError("no")))
    notify_owner(_context(AuthError("no")))
    assert [(channel, email) for channel, email, _ in sent] == [("email", "data@example.com")]


@pytest.mark.parametrize("language", ["de", "zh_CN"])
def test_notices_are_in_the_readers_language(warehouse, tmp_path, monkeypatch, language):
    said: list[Message] = []
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\n")
    (tmp_path / "config" / "people.yaml").write_text(f"readers: {{data@example.com: {{language: {language}}}}}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(sender, "send", lambda channel, to, message, key: said.append(message) or Outcome("sent"))
    changed = schema_drift.Noticed(1, "account", schema_drift.Change("new", "tier", "", "text"), "", NOON)
    monkeypatch.setattr(schema_drift, "unreported", lambda source: [changed])
    monkeypatch.setattr(review, "unreported", lambda source: [review.Unreported("no_account", 2, 9.0, 0.1, ())])
    notify_owner(_context())
    notices.notify_changes("crm")
    notices.notify_contracts()
    assert [(one.language, one.is_incomplete) for one in said] == [(language, False)] * 3
    english = write(Failure("ingest_crm", "ingest_crm", "extract_account", "", ""), NOON)
    assert said[0].next_steps != english.next_steps and said[0].facts[0].label != english.facts[0].label
    (tmp_path / "locales" / language).mkdir(parents=True)
    (tmp_path / "locales" / language / "own.po").write_text("wrong")
    monkeypatch.setattr(texts, "_CHECKED_SECONDS", 0.0)
    assert sender.written(Person(name="D", email="data@example.com"), lambda: english).language == "en"


def test_failing_channel_does_not_hide_the_task_error(warehouse, tmp_path, monkeypatch, logged):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\nslack: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", '{"conn_type": "smtp", "host": "127.0.0.1", "port": 1}')
    monkeypatch.delenv("AIRFLOW_CONN_SLACK", raising=False)
    notify_owner(_context(AuthError("no")))
    assert "could not be sent by email" in "\n".join(logged)
    assert "could not be sent by slack" in "\n".join(logged)


def test_recorded_run_failure_is_left_to_the_source_incident(warehouse, sent, tmp_path, monkeypatch):
    def fails(task: str) -> None:
        context = _context(AuthError("the CRM refused the token"))
        context["ti"].task_id, context["run_id"] = task, "run 2"
        notify_owner(context)

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    for entity in ("account", "contact"):
        with pytest.raises(AuthError), recorded("crm", "extract", entity=entity, run_id="run 2"):
            raise AuthError("the CRM refused the token")
        fails(f"extract_{entity}")
    assert sent == []
    verdicts.publish("crm", ["account", "contact"])
    notices.notify_incidents()
    assert [subject for _, _, subject in sent] == ["crm cannot be read"]
    with pytest.raises(NotOffered), recorded("crm", "extract", entity="invoice", run_id="run 2"):
        raise NotOffered("the login may not read invoices")
    with pytest.raises(AuthError), recorded("crm", "merge", run_id="run 1"):
        raise AuthError("an earlier run")
    for task in ("extract_owner", "extract_invoice", "merge", "publish"):  # killed: nothing is on record
        fails(task)
    assert len(sent) == 5
