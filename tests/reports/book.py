"""A book of sixteen customers in two regions and three teams, written over the small world's tables."""

from __future__ import annotations

from pathlib import Path

from include.warehouse.engine import engine

# Names that must never reach management or a region: customer contacts, CSMs, leads.
PERSONS = ("Ada Byron", "Owner East", "Owner West", "Owner Tiny", "Lea Lead", "Olga Override", "ada@customer.example")
NAMES = tuple(f"Customer {number:02}" for number in range(1, 17))
DECIDED = """
insert into ops.decision (decision_id, as_of, build_id, config_hash, gate) values ('d', '2026-06-10', 'b', 'c', '{}')
"""
SEED = """
delete from core.account; delete from core.owner; delete from marts.account_day; delete from marts.forecast_line;
delete from core.contact;
insert into core.owner (owner_key, source, owner_id, email, name, team, is_active) values
    ('crm:91', 'crm', '91', 'east@vendor.example', 'Owner East', 'East', true),
    ('crm:94', 'crm', '94', 'east2@vendor.example', 'Owner East Too', 'East', true),
    ('crm:92', 'crm', '92', 'west@vendor.example', 'Owner West', 'West', true),
    ('crm:93', 'crm', '93', 'tiny@vendor.example', 'Owner Tiny', 'Tiny', true);
-- Germany: 9 of East and 2 of Tiny. China: 4 of West, fewer than five. Nowhere: 1.
insert into core.account (account_key, crm_source, crm_account_id, name, owner_key, region, tier, is_excluded)
select 'crm:' || 100 + n, 'crm', cast(100 + n as text), 'Customer ' || lpad(cast(n as text), 2, '0'),
    case when n <= 4 then 'crm:94' when n <= 9 then 'crm:91' when n <= 11 then 'crm:93' else 'crm:92' end,
    case when n <= 11 then 'Germany' when n <= 15 then 'China' else 'Nowhere' end, 'standard', false
from generate_series(1, 16) as n;
insert into marts.account_day (account_key, day, owner_key, tier, region, arr, is_customer)
select a.account_key, d.day, a.owner_key,
    case when a.account_key = 'crm:103' and d.day = '2026-04-30' then 'small' else 'standard' end, a.region,
    1000 * (100 + cast(a.crm_account_id as int)) + 111, true
from core.account as a,
    unnest(array['2026-04-30', '2026-05-31', '2026-06-07', '2026-06-10']::date[]) as d (day);
insert into core.contact (contact_key, account_key, name, email, is_deleted, is_champion, is_decision_maker)
values ('crm:77', 'crm:101', 'Ada Byron', 'ada@customer.example', false, true, true);
insert into ops.episode
    (signal, entity_kind, entity_id, episode_no, account_key, state, evidence, opened_on, updated_on, severity)
select 'usage_down', 'account', account_key, 1, account_key, 'open', '{"who": "Ada Byron"}', '2026-06-01', '2026-06-01',
    'high' from core.account where crm_account_id in ('101', '112', '116');
insert into marts.forecast_line (as_of, renewal_id, account_key, quarter_start, due_date, decision_date,
    days_to_decision, owner_key, tier, line_class, category, band, n_settled, configured_probability, probability,
    target_arr, amount_arr, renewed_share, currency)
select '2026-06-10', account_key || '#1', account_key, '2026-04-01', '2026-06-25', '2026-06-25', 15, owner_key, tier,
    'open', 'commit', 'green', 10, 0.9, 0.8, 50000, 50000, 1, 'USD' from core.account;
insert into meta.health_override (account_key, score, reason, given_by, from_day, until, known_from)
values ('crm:101', 20, 'Ada Byron told me', 'Olga Override', '2026-06-01', '2026-07-01', '2026-06-01');
insert into marts.kpi_value
    (metric_id, metric_version, period, period_start, as_of, grain, grain_key, value, numerator, n, coverage)
select 'arr', 1, 'week', d.day - 6, d.day, 'region', r.region, r.value, r.value, r.n, 1
from (values ('Germany', 987654.0, 11), ('China', 765432.0, 40), ('Nowhere', 54321.0, 1)) as r (region, value, n),
    unnest(array['2026-05-31', '2026-06-07']::date[]) as d (day);
"""
PEOPLE = """
queue: {name: Queue, email: queue@vendor.example}
head: {name: Hedy Head, email: head@vendor.example}
team_leads:
  East: {name: Lea Lead, email: lead@vendor.example}
"""
CHANNELS = """
messages_by: [email]
links: {report: "https://airflow.example/perennial/reports/?id={id}"}
"""
REGION = """
name: {name}
title: {name}
audience: regions
cadence: weekly
regions: [{regions}]
recipients: [leads, Region@vendor.example]
sections:
  - {{title: Load, table: team_load}}
  - {{title: Figures, metrics: [arr]}}
  - {{title: Forecast, table: forecast}}
  - {{title: Risks, table: top_risks}}
"""
PRODUCT = """
name: usage
title: Usage
audience: product
cadence: weekly
sections:
  - {title: Risks, table: top_risks}
  - {title: Forecast, table: forecast}
  - {title: Load, table: team_load}
"""


def fill(overlay: Path) -> None:
    """Write the book into the built tables and activate its settings."""
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(SEED + DECIDED)
    settings(overlay)


def settings(overlay: Path) -> None:
    """Write the people, reports for Germany, China and everyone, and one for product."""
    for name in ("config", "reports"):
        (overlay / name).mkdir(exist_ok=True)
    (overlay / "config" / "people.yaml").write_text(PEOPLE)
    (overlay / "config" / "channels.yaml").write_text(CHANNELS)
    for name, regions in (("germany", "Germany"), ("china", "China"), ("asia", "China, Nowhere, Germany")):
        (overlay / "reports" / f"{name}.yaml").write_text(REGION.format(name=name, regions=regions))
    (overlay / "reports" / "usage.yaml").write_text(PRODUCT)
