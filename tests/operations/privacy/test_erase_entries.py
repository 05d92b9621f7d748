"""An erasure of an account reaches every table of entries and decisions that has its key."""

from __future__ import annotations

from include.operations.privacy import erase
from include.warehouse.engine import engine
from tests.fixtures.landing import rows

# Tables with an account key that no statement of the erasure names -> why.
KEPT = {
    "meta.account_brand": "copied from the settings: remove it there",
    "meta.exclusion": "copied from the settings: remove it there",
    "meta.build_change": "only the key, until the build ends",
}
ENTRIES = """
insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)
    values (1, 1, 'crm', 'account', '1', 'r', 'bad', '{"name": "Zipf Works"}');
insert into meta.discount_request (renewal_id, account_key, list_arr, offer_arr, depth, credited, level, trades, why,
    asked_by, state, answered_by, note, valid_until, known_from)
    select 'R', key, 100, 90, 0.1, 0.1, 'lead', '{}', 'as for Zipf Works', 'ana', 'approved', 'lea', 'see Zipf Works',
    '2026-06-10', now() from unnest(array['crm:1', 'crm:2']) as key;
insert into meta.feature_unused select '2026-05-01', key, 'sso' from unnest(array['crm:1', 'crm:2']) as key;
insert into meta.request_entry (request, account_key, asked_on, note, entered_by, known_from)
    select 'sso', key, '2026-05-01', 'as Zipf Works', 'ana', now() from unnest(array['crm:1', 'crm:2']) as key;
insert into meta.request_change (request, merged_into, note, changed_by, known_from)
    values ('zipf works sso', 'sso', 'see Zipf Works', 'ana', now());
insert into ops.experiment values ('p', 0.2, 180, 0.05, null, '2026-05-01', now());
insert into ops.experiment_account (experiment, account_key, unit_key, arm, stratum, assigned_on, known_from)
    select 'p', key, key, 'acted', 's', '2026-05-01', now() from unnest(array['crm:1', 'crm:2']) as key;
insert into ops.customer_report (account_key, period, edition, sha256, html, data, next_steps, approved_by, made_at)
    select key, '2026-05', 1, 'x', 'Launch the Halle plant', '{}', 'Call the plant', 'ana', now()
    from unnest(array['crm:1', 'crm:2']) as key;
insert into ops.touch_contact select 't', '2026-05-01', n, 'crm:7' || n, 'crm:' || n, 'crm:7' || n || ',Ada Byron'
    from generate_series(1, 2) as n;
"""


def test_every_table_with_an_account_key_is_erased_or_kept_for_a_reason(warehouse: str) -> None:
    found = rows(
        "select table_schema || '.' || table_name from information_schema.columns"
        " join information_schema.tables using (table_schema, table_name)"
        " where column_name = 'account_key' and table_schema in ('meta', 'ops') and table_type = 'BASE TABLE'"
    )
    erased = {store for _, store in erase._OF_ACCOUNT}
    assert {name for (name,) in found} - erased == set(KEPT)


# Tables that keep nothing of an erased account.
GONE = (
    "meta.discount_request", "meta.feature_unused", "meta.request_entry", "ops.experiment_account",
    "ops.customer_report", "ops.touch_contact",
)  # fmt: skip


def test_account_leaves_what_people_entered_and_what_was_written_about_it(warehouse: str) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(ENTRIES)
    erase.account("crm:1", reason="asked in writing", by="dpo")
    for table in GONE:
        assert rows(f"select account_key from {table}") == [("crm:2",)]
    assert rows("select note from meta.request_entry") == [("as [erased]",)]
    assert rows("select request, note from meta.request_change") == [("[erased] sso", "see [erased]")]
    assert rows("select why, note from meta.discount_request") == [("as for [erased]", "see [erased]")]


def test_person_leaves_a_blank_line_in_the_lists_of_touches(warehouse: str) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(ENTRIES)
        connection.exec_driver_sql(
            "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)"
            " values (1, 2, 'crm', 'contact', '72', 'r', 'bad', '{\"email\": \"ada@example.com\"}')"
        )
    assert erase.person("Ada@example.com", reason="asked", by="dpo").counts["ops.touch_contact"] == 1
    assert rows("select line from ops.touch_contact order by number") == [("crm:71,Ada Byron",), ("[erased]",)]
