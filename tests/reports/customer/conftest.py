"""Customers of one industry, with a year of usage, written over the small world's tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.warehouse.engine import engine

MINE, PERIOD = "crm:201", "2026-05"
OTHERS = tuple(f"crm:{number}" for number in range(202, 208))
SETTINGS = """
cadence: monthly
languages: {China: zh_CN}
output: [dashboards]
opted_out: ["crm:207"]
next_steps: {onboarding.kickoff: We hold the kickoff with your project team.}
features:
  dashboards: {title: Boards, why: Everybody sees the same figures., link: ""}
  reports: {title: Reports, why: Recurring reports need no work., link: "https://vendor.example/reports?a=1&b=2"}
  automation: {title: Automation, why: Rules take over., link: "", products: [Suite Plus]}
"""
CHANNELS = """
crm_task: {dry_run: false}
links:
  customer_report: "https://airflow.example/perennial/customer-report/?id={id}"
  brief: "https://airflow.example/perennial/brief/?account={account}&renewal={renewal}"
"""
# 21 people this May, 20 in the May before; 1,560 and 1,200 uses of dashboards. The others use reports and automation.
# The desk opened ticket 5: it waits for no response.
SEED = """
delete from core.account; delete from core.owner; delete from core.account_bridge; delete from core.usage_day;
delete from core.product_user; delete from core.product_start; delete from core.usage_gap; delete from core.ticket;
delete from core.task; delete from core.contract_line; delete from marts.account_day; delete from meta.unread;
delete from meta.verdict;
create table core.usage_day_of_last_year partition of core.usage_day for values from ('2025-05-01') to ('2025-06-01');
insert into meta.verdict (source, kind, entity, state, reason, since, checked_at) values
    ('crm', 'crm', 'objective', 'green', '', now(), now()), ('support', 'support', 'ticket', 'green', '', now(), now());
insert into core.owner (owner_key, source, owner_id, email, name, team, is_active) values
    ('crm:91', 'crm', '91', 'csm@vendor.example', 'Cora Csm', 'East', true),
    ('crm:92', 'crm', '92', 'two@vendor.example', 'Other Owner', 'East', true);
insert into core.account (account_key, crm_source, crm_account_id, name, owner_key, region, tier, industry, is_excluded,
    is_deleted)
select 'crm:' || n, 'crm', cast(n as text), 'Customer ' || n, case n when 201 then 'crm:91' else 'crm:92' end,
    case n when 206 then 'China' else 'Germany' end, 'standard', 'Retail', false, false
from generate_series(201, 207) as n;
insert into marts.account_day (account_key, day, owner_key, tier, arr, is_customer, paid_seats, active_users_28d)
select account_key, d.day, owner_key, tier, 424242, true, 40, 21 from core.account,
    unnest(array['2026-05-31', '2026-06-10']::date[]) as d (day);
insert into core.account_bridge (source, source_id, entity, account_key)
select 'crm', crm_account_id, 'account', account_key from core.account
union all select 'support', 'org1', 'organization', 'crm:201';
insert into core.product_start (account_key, first_day) select account_key, '2025-01-01' from core.account
where account_key <> 'crm:205';
insert into core.product_user (user_key, account_key, team, is_bot, is_deleted)
select 'product_db:u' || n, 'crm:201', case when n <= 15 then 'Buying' else 'Selling' end, false, false
from generate_series(1, 21) as n;
insert into core.usage_day (account_key, day, user_key, feature, n_events, is_value_event, is_key_feature)
select 'crm:201', date '2026-05-04' + n, 'product_db:u' || n, 'dashboards', case n when 21 then 80 else 74 end, true,
    true
from generate_series(1, 21) as n
union all
select 'crm:201', date '2025-05-05' + n, 'product_db:u' || n, 'dashboards', 60, true, true
from generate_series(1, 20) as n
union all
select account_key, '2026-05-10', account_key || 'u', feature, 5, true, true from core.account,
    unnest(array['reports', 'automation']) as f (feature) where account_key not in ('crm:201', 'crm:205');
insert into core.ticket (ticket_key, account_key, source, ticket_id, status, created_day, solved_day, is_deleted,
    is_merged, first_reply_minutes, is_reply_known)
values ('support:1', 'crm:201', 'support', '1', 'solved', '2026-05-05', '2026-05-07', false, false, 60, true),
    ('support:2', 'crm:201', 'support', '2', 'open', '2026-05-06', null, false, false, 300, true),
    ('support:3', 'crm:201', 'support', '3', 'open', '2026-05-20', null, false, false, null, true),
    ('support:4', 'crm:201', 'support', '4', 'solved', '2026-04-20', '2026-05-02', false, false, 1, true),
    ('support:5', 'crm:201', 'support', '5', 'open', '2026-05-21', null, false, false, null, false);
update core.account set language = 'German' where account_key = 'crm:204';
insert into core.contract_line (line_key, account_key, product, is_committed, active_from, arr)
values ('crm:l1', 'crm:201', 'Suite', true, '2025-01-01', 515151);
insert into core.task (task_key, account_key, rule, step, due_on, state)
values ('k1', 'crm:201', 'onboarding', 'kickoff', '2026-06-20', 'open'),
    ('k2', 'crm:201', 'renewal_at_risk', 'find_the_cause', '2026-06-20', 'open');
insert into raw.hubspot__objective (source, id, account_id, name, baseline, current_value, target_value, unit, way,
    _hash, _batch_id, _loaded_at,
    _first_loaded_at, _is_deleted)
values ('crm', 'o1', '201', 'Shorter planning', 30, 20, 15, 'hours', 'Template', '', 1, '2026-06-01', '2026-06-01',
        false),
    ('crm', 'o2', '201', 'Faster closing', 5, 4, 3, 'days', 'automatic', '', 1, '2026-06-01', '2026-06-01', false),
    ('crm', 'o3', '201', 'Happier people', null, null, null, null, null, '', 1, '2026-06-01', '2026-06-01', false);
"""


@pytest.fixture
def book(built: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The customers, their settings, and CRM tasks that are sent. Return the overlay."""
    (tmp_path / "config" / "customer_report.yaml").write_text(SETTINGS)
    (tmp_path / "config" / "channels.yaml").write_text(CHANNELS)
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(SEED)
    return tmp_path
