"""An erased person is removed everywhere, is not restored by the next read, and metrics follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from markupsafe import escape as markup_escape
from typer.testing import CliRunner

from include.cli.main import app
from include.common.errors import ConfigError
from include.config import files
from include.models import build
from include.operations.privacy import erase, find
from include.scores.health import judgements
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.databases import template
from tests.fixtures.landing import land, rows, value

ADA, SECOND, NAME = "ada@one.example", "ada.l@old.example", "Ada Lovelace"
ALL_OF_HER = (ADA, SECOND, NAME, "Lovelace", "Countess", "tiara", "enchantress")
HOW = {"reason": "asked in writing", "by": "dpo"}


def at(patch: pytest.MonkeyPatch, moment: str) -> None:
    patch.setenv("PERENNIAL_NOW", f"2026-06-10T{moment}:00+00:00")


def contact() -> Any:
    values = {"email": "Ada@One.example", "other_emails": SECOND, "first_name": "Ada", "last_name": "Lovelace"}
    made = world.contact("c1", "1", **{"job_title": "Countess", "role": "CHAMPION", **values})
    made.payload.update({"email": "Ada@One.example", "note": "Ada Lovelace"})
    return made


def load_people() -> None:
    world.load("contact", contact(), world.contact("c9", "1", email="adam@one.example", first_name="Adam"))
    world.load(
        "support_user",
        world.record("u5", organization_id="o1", email=SECOND, name=NAME, role="end-user", created_at=stamp()),
    )
    world.load("product_user", world.record("u1", account_id="p1", email=ADA, created_at=stamp(), activated_at=stamp()))
    world.load(
        "ticket",
        world.ticket("t1", "o1", subject=f"Mail to {ADA} bounces", requester_id="u9"),
        world.ticket("t5", "o1", subject="Where is my tiara", requester_id="u5"),
    )
    world.load(
        "ticket_event",
        comment("e1", "t5", "u5", "Yours, the enchantress of numbers"),
        comment("e2", "t5", "u9", f"Dear {NAME.upper()}, it is safe"),
    )
    world.load("survey_response", survey("s1", "c1", "Bring back the tiara"), survey("s2", "c9", "Fine"))


def comment(id: str, ticket: str, author: str, body: str) -> Any:
    values = {"event_type": "comment", "is_public": True, "happened_at": stamp(), "organization_id": "o1"}
    made = world.record(id, ticket_id=ticket, actor_id=author, body=body, **values)
    made.payload.update({"body": body})
    return made


def survey(id: str, contact_id: str, said: str) -> Any:
    values = {"account_id": "1", "kind": "nps", "score": 3, "answered_at": stamp(), "created_at": stamp()}
    return world.record(id, contact_id=contact_id, comment=said, **values)


def stamp() -> datetime:
    return datetime(2026, 5, 1, tzinfo=UTC)


def store_everywhere() -> None:
    """Put the person into every other store: outbox, evidence, quarantine, results, notices, a waiting batch."""
    land(contact(), entity="contact", until=stamp())
    waiting = (comment("e7", "t5", "u5", "And the tiara"), comment("e8", "t5", "u9", f"{NAME} has it"))
    land(*waiting, source="support", vendor="zendesk", entity="ticket_event", until=stamp())
    body = orjson.dumps({"facts": [f"{NAME} <{ADA}>"], "to": SECOND}).decode()
    with engine("owner").begin() as connection:
        for statement in (
            "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)"
            " values (1, 1, 'crm', 'contact', 'c1', 'r', 'bad', cast(:body as jsonb)),"
            " (1, 2, 'support', 'ticket', 't9', 'r', :text, cast(:body as jsonb))",
            "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on) values ('s', 'account', 'crm:1', 1, 'crm:1', 'open', cast(:body as jsonb),"
            " '2026-06-10', '2026-06-10')",
            "insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,"
            " recipient, subject, body, reads, not_after, state, decision_id, version) values"
            " ('k1', 'email', 'renewal', 'x', 'r', 1, '30', 'crm:1', :address, :text, cast(:body as jsonb),"
            " '{}', now(), 'planned', 'd', '1'),"
            " ('k2', 'slack', 'renewal', 'x', 'r', 1, '30', 'crm:1', 'csm@vendor.example', :text,"
            " cast(:body as jsonb), '{}', now(), 'sent', 'd', '1')",
            "insert into meta.qa_cluster values ('2026-06-10', 1, 'en', '', 5, 3, array['support:t1', 'support:t5',"
            " 'support:t2'], 'support:t5', now())",
            "insert into ops.evaluation select '2026-06-10', 'r', kind, id, 'crm:1', 'cool_down', '{}' from (values"
            " ('account', 'crm:1'), ('contact', 'crm:c1')) as v (kind, id)",
            "insert into ops.evaluation_input select '2026-06-10', kind, id, 'crm:1', '{}' from (values"
            " ('account', 'crm:1'), ('contact', 'crm:c1')) as v (kind, id)",
            "insert into meta.notice (key, failing_since, failed_at) values (:text, now(), now())",
            # A signal's text about a person contains their name in the template's wording.
            "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on) values ('key_user_silent', 'contact', 'crm:c1', 1, 'crm:1', 'open',"
            " '{\"title\": \"Countess\"}', '2026-06-10', '2026-06-10')",
            "insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,"
            " recipient, subject, body, reads, not_after, state, decision_id, version)"
            " select 'k' || state, 'slack', kind, id, 'r', 1, 'opened', account, 'csm@vendor.example', said,"
            " jsonb_build_object('evidence', said), '{}', now(), state, 'd', '1' from (values"
            " ('contact', 'crm:c1', 'crm:1', 'Account 1: the Countess fell silent', 'planned'),"
            " ('contact', 'crm:c1', 'crm:1', 'Account 1: the Countess has moved', 'sent'),"
            " ('report', 'weekly:2026-W23', '', 'Top risks: Account 1, of Ada Lovelace', 'expired'),"
            " ('csm', 'csm@vendor.example', 'crm:3', 'Further signals: Account 1: Ada Lovelace is gone', 'failed'))"
            " as v (kind, id, account, said, state)",
            "insert into ops.report (report, period, audience, regions, edition, sha256, html, data, made_at) values"
            " ('weekly', '2026-W23', 'cs_operations', '{}', 1, 'x', '<td>Account 1</td><td>Ada Lovelace</td>',"
            " jsonb_build_object('rows', jsonb_build_array('Account 1', 'Ada Lovelace')), now())",
            "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)"
            " values (2, 1, 'support', 'ticket_event', 'e6', 'r', 'bad', jsonb_build_object('actor_id', 'u5',"
            " 'body', 'A tiara', 'payload', jsonb_build_object('body', 'A tiara'), 'event_type', 'comment'))",
            "insert into meta.incident (key, kind, source, opened_at) values ('rows of crm', 'rows', 'crm', now())",
            "insert into meta.notification (incident_id, event, channel, recipient, subject, body, planned_at)"
            " select incident_id, 'start', 'log', 'x', :text, cast(:body as jsonb), now() from meta.incident",
            "insert into raw.hubspot__contact__history select made.* from raw.hubspot__contact as c,"
            " jsonb_populate_record(cast(null as raw.hubspot__contact__history), to_jsonb(c)) as made"
            " where c.id = 'c1'",
            "insert into meta.source_failure (source, step, error, reason) values ('crm', 'extract', 'E', :text)",
        ):
            values = {"body": body, "text": f"{NAME} at {ADA.upper()}", "address": "Ada@one.example"}
            connection.execute(sa.text(statement), values)


def rows_containing(*words: str) -> dict[str, int]:
    """Return table -> rows that contain a word, over every table and view of the database."""
    with engine("owner").connect() as connection:
        tables = connection.execute(
            sa.text(
                "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables"
                " where table_schema not in ('pg_catalog', 'information_schema')"
            )
        ).scalars()
        # One statement for all three hundred, most of which are empty.
        count = " union all ".join(
            f"select '{table}', count(*) from {table} as whole where cast(whole as text) ilike any(:words)"
            " having count(*) > 0"
            for table in tables.all()
        )
        found = connection.execute(sa.text(count), {"words": [f"%{word}%" for word in words]})
        return dict(found.tuples().all())


def statistics_containing(*words: str) -> list[str]:
    """Return the columns whose statistics contain a word."""
    with engine("owner").connect() as connection:
        found = connection.execute(
            sa.text(
                "select tablename || '.' || attname from pg_stats where schemaname not in ('pg_catalog')"
                " and concat(most_common_vals::text, histogram_bounds::text, most_common_elems::text) ilike any(:words)"
            ),
            {"words": [f"%{word}%" for word in words]},
        )
        return list(found.scalars())


@pytest.fixture(scope="module")
def own_template(postgres: str, built_once: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The built small world, with a person in every store."""

    def fill(patch: pytest.MonkeyPatch) -> None:
        world.use_short_history(patch, tmp_path_factory.mktemp("settings"))
        at(patch, "13:00")
        load_people()
        build.run("with people")
        store_everywhere()

    with template(postgres, "with_people", built_once, fill) as name:
        yield name


@pytest.fixture
def known(own_template: str, warehouse: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The test's own copy of that database, in force."""
    world.use_short_history(monkeypatch, tmp_path)
    at(monkeypatch, "13:00")
    return monkeypatch


def test_erased_person_is_nowhere(known: pytest.MonkeyPatch) -> None:
    before = rows_containing(ADA, SECOND, NAME)
    assert {name.split(".")[0] for name in before} >= {"raw", "quarantine", "meta", "staging", "core", "marts", "ops"}
    assert {"raw.hubspot__contact__version", "raw.hubspot__contact__history", "meta.notification"} <= set(before)
    written = {
        "raw.zendesk__ticket_event",
        "raw.zendesk__ticket",
        "raw.hubspot__survey_response",
    }
    assert written <= set(rows_containing("tiara", "enchantress"))
    at(known, "14:00")
    with engine("owner").begin() as connection:
        connection.execute(sa.text("analyze"))
    assert statistics_containing(*ALL_OF_HER)
    done = erase.person("ADA@one.example", **HOW)
    assert rows_containing(*ALL_OF_HER) == {}
    assert not statistics_containing(*ALL_OF_HER)  # nor in the planner's column statistics
    assert done.counts["raw.hubspot__contact"] == 1 and done.counts["ops.outbox"] >= 2
    outbox = dict(rows("select key, state from ops.outbox"))
    assert outbox == {
        "k1": "suppressed", "k2": "sent", "kplanned": "suppressed", "ksent": "sent", "kfailed": "failed",
        "kexpired": "expired",
    }  # fmt: skip
    assert value("select state from ops.episode where entity_kind = 'contact'") == "closed"
    for table in ("ops.evaluation", "ops.evaluation_input"):
        assert rows(f"select subject_kind from {table}") == [("account",)]
    assert rows("select ticket_keys, answer_key from meta.qa_cluster") == [(["support:t1", "support:t2"], None)]
    # Texts by others stay, and so does the fact that the person wrote.
    assert value("select body from raw.zendesk__ticket_event where id = 'e2'") == "Dear [erased], it is safe"
    assert rows("select id, actor_id from raw.zendesk__ticket_event order by 1") == [("e1", "u5"), ("e2", "u9")]
    assert dict(rows("select id, comment from raw.hubspot__survey_response")) == {"s1": None, "s2": "Fine"}
    assert any("slack: 2 sent messages" in line for line in done.outside)
    assert any("crm: 1 records of contact;" in line for line in done.outside)
    assert any("support: 1 records of ticket with texts by the person" in line for line in done.outside)
    assert value("select count(*) from raw.hubspot__contact where email = 'adam@one.example'") == 1


def test_next_read_does_not_restore_a_person_and_metrics_follow(known: pytest.MonkeyPatch) -> None:
    count = "select count(*) from core.contact where account_key = 'crm:1' and not is_deleted"
    assert value(count) == 2
    at(known, "14:00")
    erase.person(SECOND, **HOW)
    at(known, "15:00")
    with engine("owner").begin() as connection:  # the waiting batch contains no person
        connection.execute(sa.text("update meta.batch set validated_at = now() where validated_at is null"))
    load_people()
    world.load("contact", world.contact("c77", "2", email=ADA))  # entered again later
    world.load("contact", world.record("c1", account_id="1", job_title="Countess"))
    build.run("after")
    assert rows_containing(*ALL_OF_HER) == {}
    assert value(count) == 1
    assert rows("select id from raw.hubspot__contact where not _is_deleted order by 1") == [("c2",), ("c9",)]
    subject = value("select subject from raw.zendesk__ticket where id = 't1'")
    assert subject == "Mail to [erased] bounces"
    assert value("select count(*) from core.usage_day where account_key = 'crm:1'") > 0
    # Quarantine and notices were written here without a build.
    world.assert_equals_scratch(known, without=("marts.operations_period", "marts.kpi_value"))


def test_dry_run_changes_nothing_and_counts_the_same(known: pytest.MonkeyPatch) -> None:
    before = world.snapshot()
    looked = erase.person(ADA, dry_run=True, **HOW)
    assert world.snapshot() == before and rows_containing(ADA)
    assert value("select count(*) from meta.suppression") == 0
    # One address leads to the next: the affected persons are shown first.
    assert {f"address {ADA}", f"address {SECOND}", "contact crm:c1"} <= set(looked.found)
    done = erase.person(ADA, **HOW)
    assert done.counts == looked.counts and done.found == []


def test_name_is_found_in_every_text_encoding(known: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        for statement in (
            "update raw.hubspot__contact set first_name = :first where id = 'c1'",
            "update ops.outbox set body = jsonb_build_object('to', jsonb_build_array(cast(:called as text)))"
            " where key = 'k2'",
            "update meta.source_failure set reason = :called",
        ):
            values = {"first": 'Ada "Zipf"', "called": f'Dear\nAda  "Zipf"\nLovelace,\n{ADA}'}
            connection.execute(sa.text(statement), values if ":first" in statement else {"called": values["called"]})
    erase.person(ADA, **HOW)
    assert rows_containing("Zipf", ADA) == {}
    assert value("select body -> 'to' ->> 0 from ops.outbox where key = 'k2'").startswith("Dear\n[erased],\n[erased ")


ODD = ("Émile", 'O\'Zipf & "Sons"', "émile.o'zipf@one.example")


@pytest.mark.parametrize("told", [markup_escape, str.upper, lambda text: json.dumps(f"d'{text}")])
def test_a_person_is_found_as_html_json_and_capitals_write_them(known: pytest.MonkeyPatch, told: Any) -> None:
    """The embedded server's locale knows no capital É; a task's HTML no apostrophe."""
    first, last, address = ODD
    said = [str(told(f"{first} {last}")), str(told(address))]
    with engine("owner").begin() as connection:
        person = (
            "update raw.hubspot__contact set first_name = :first, last_name = :last, email = :address where id = 'c1'"
        )
        connection.execute(sa.text(person), {"first": first, "last": last, "address": address.upper()})
        for text in (
            "body = jsonb_build_object('html', cast(:said as text))",
            "recipient = 'Émile.O''ZIPF@one.example'",
        ):
            connection.execute(sa.text(f"update ops.outbox set {text} where key = 'k1'"), {"said": "; ".join(said)})
    erase.person(address, **HOW)
    assert rows_containing("Zipf") == {}
    assert value("select state from ops.outbox where key = 'k1'") == "suppressed"
    if told in (markup_escape, str.upper):  # as others write it
        world.load("ticket", world.ticket("t1", "o1", subject=f"{'; '.join(said)} called", requester_id="u9"))
        assert rows_containing("Zipf") == {}


def wait_and_hold(account: str) -> None:
    """Put a person only into a waiting batch and into quarantine, and analyze both tables."""
    values = {"email": "zoe@new.example", "last_name": "Quirkington", "job_title": "Archduchess"}
    other = world.contact("c51", "9", email="bob@new.example", last_name="Smith")
    land(world.contact("c50", account, **values), other, entity="contact", until=stamp())
    record = orjson.dumps({**values, "account_id": account, "other_emails": "zq@private.example"}).decode()
    with engine("owner").begin() as connection:
        for number, record_id in enumerate(("c60", "c60", None)):
            connection.execute(
                sa.text(
                    "insert into quarantine.record (batch_id, row_no, source, entity, record_id, account_ref, rule_id,"
                    " reason, record) values (7, :number, 'crm', 'contact', :id, :account, 'r', 'bad',"
                    " cast(:record as jsonb))"
                ),
                {"number": number, "id": record_id, "account": account, "record": record},
            )
        connection.execute(sa.text("delete from quarantine.record where batch_id <> 7"))
        connection.execute(sa.text("analyze"))


ALL_OF_ZOE = ("zoe@new.example", "Quirkington", "Archduchess", "zq@private.example")


@pytest.mark.parametrize("kind", ["person", "account"])
def test_person_in_a_waiting_batch_or_quarantine_is_found(known: pytest.MonkeyPatch, kind: str) -> None:
    wait_and_hold("1")
    assert statistics_containing(*ALL_OF_ZOE)
    if kind == "person":
        erase.person("zoe@new.example", **HOW)
        assert value("select count(*) from quarantine.record") == 0
    else:
        erase.account("crm:1", **HOW)
    assert rows_containing(*ALL_OF_ZOE) == {} and not statistics_containing(*ALL_OF_ZOE)
    assert rows_containing("bob@new.example")


def test_erasure_record_contains_no_personal_data(known: pytest.MonkeyPatch) -> None:
    erase.person(ADA, **HOW)
    again = erase.person(ADA, **HOW)
    kept = rows("select kind, reason, asked_by, subject_hash, counts from meta.erasure order by erasure_id")
    assert kept[0][:3] == ("person", "asked in writing", "dpo") and kept[0][3] == kept[1][3]
    assert kept[0][4]["raw.hubspot__contact"] == 1
    assert again.n_rows == 0
    with pytest.raises(ConfigError, match="names whom it erases"):
        erase.person(ADA, reason=f"{ADA} asked", by="dpo")
    with pytest.raises(ConfigError, match="names whom it erases"):
        erase.account("crm:001Ab", reason="crm:001Ab asked", by="dpo")


def test_erased_account_is_nowhere(known: pytest.MonkeyPatch) -> None:
    at(known, "14:00")
    judgements.pulse("crm:1", 2, why=f"{NAME} does not answer", by="lea", day=date(2026, 6, 10))
    # Rows under the key of an account that was merged into it.
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into core.account_bridge (account_key, source, source_id) values ('crm:1', 'crm', '77');"
            " insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on) values ('old', 'account', 'crm:77', 1, 'crm:77', 'open',"
            " '{\"name\": \"Old Ltd\"}', '2026-06-10', '2026-06-10');"
            " insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,"
            " recipient, subject, body, reads, not_after, state, decision_id, version) values ('old', 'email',"
            " 'account', 'crm:77', 'r', 1, 'opened', 'crm:77', 'x@y.example', 'Old Ltd', '{}', '{}', now(), 'sent',"
            " 'd', '1')"
        )
    done = erase.account("crm:1", **HOW)
    assert rows_containing("Old Ltd") == {}
    assert value("select count(*) from meta.health_pulse") == 0
    assert rows("select ticket_keys, answer_key from meta.qa_cluster") == [(["support:t2"], None)]
    assert done.counts["raw.hubspot__account"] == 1 and done.counts["raw.product__usage_day"] > 0
    assert rows_containing(ADA, SECOND, NAME, "Account 1", "Organisation o1") == {}
    assert value("select (select count(*) from ops.evaluation) + (select count(*) from ops.evaluation_input)") == 0
    at(known, "15:00")
    world.load("account", world.account("1"))
    world.load("opportunity", world.deal("d1", "1"))
    world.load("organization", world.organization("o1", "1"))
    world.load("ticket", world.ticket("t1", "o1"))
    build.run("after")
    assert rows_containing("Account 1", "Organisation o1") == {}
    assert value("select count(*) from raw.zendesk__ticket where organization_id = 'o1'") == 0
    assert value("select count(*) from marts.account_day where account_key = 'crm:1'") == 0
    assert value("select count(*) from marts.account_day where account_key = 'crm:3'") > 0
    world.assert_equals_scratch(known)


def test_erase_command(known: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["erase", "--person", ADA, "--reason", "asked", "--dry-run"])
    assert done.exit_code == 0 and "nothing was changed" in done.output and "crm: 1 records of contact" in done.output
    assert runner.invoke(app, ["erase", "--reason", "asked"]).exit_code != 0


def test_sql_uses_the_same_list_of_shared_mailboxes() -> None:
    query = files.find("sql", "core/person_address/query.sql")
    assert query
    words = query.read_text().split("not in (")[1].split(")")[0]
    assert {word.strip().strip("'") for word in words.split(",")} == find.SHARED_MAILBOXES
