"""The queries of the renewal brief: one account, at the close of the newest day with figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include import config
from include.common.errors import ConfigError
from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Rows:
    """Runs queries about one account."""

    connection: sa.Connection
    account_key: str
    as_of: date
    currency: str
    zone: str

    def all(self, statement: str, **named: Any) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        given = {"account_key": self.account_key, "as_of": self.as_of, "zone": self.zone, **named}
        return [dict(row) for row in self.connection.execute(sa.text(statement), given).mappings()]

    def one(self, statement: str, **named: Any) -> Mapping[str, Any] | None:
        """Return the first row of a query, or None."""
        return next(iter(self.all(statement, **named)), None)


@contextmanager
def opened(account_key: str) -> Iterator[Rows]:
    """Open one snapshot of the tables.

    Raises:
        ConfigError: Nothing is built yet.
    """
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        newest = None
        if has_table(connection, "marts.health_checkpoint"):
            newest = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
        if newest is None:
            raise ConfigError("nothing is built yet", cure="run the DAG build_kpis")
        settings = config.load()
        yield Rows(connection, account_key, newest, settings.currency, settings.reporting_zone)


_TOUCHES = "(select touch from ops.touch_list)"
ACCOUNT = """
select a.name, a.tier, o.name as owner, coalesce(a.language, (
    select c.language from core.contact as c
    where c.account_key = a.account_key and not c.is_deleted and c.language is not null
    order by c.is_decision_maker desc, c.is_champion desc, c.last_contacted_at desc nulls last, c.contact_key limit 1
)) as language
from core.account as a
left join core.owner as o on o.owner_key = a.owner_key
where a.account_key = :account_key
"""
RENEWALS = """
select r.*, f.probability, f.line_class, f.category, f.band, f.horizon, f.n_settled, f.n_renewed
from core.renewal as r
left join marts.forecast_line as f on f.renewal_id = r.renewal_id and f.account_key = r.account_key
where r.account_key = :account_key and r.outcome = 'open' and r.term_start <= :as_of
order by r.decision_date, r.target_arr desc, r.renewal_id
"""
TODAY = """
select i.*, h.shown, h.computed, h.band, h.last_band, h.coverage, d.paid_seats,
    d.active_users_28d, d.arr, d.usage_28d, d.n_open_tickets
from marts.account_day as d
left join marts.health_input as i on i.account_key = d.account_key and i.day = d.day
left join marts.account_health as h on h.account_key = d.account_key and h.day = d.day
where d.account_key = :account_key and d.day = :as_of
"""
VALUE = """
select score from marts.account_value where account_key = :account_key and as_of <= :as_of order by as_of desc limit 1
"""
LINES = """
select
    product, quantity, arr, list_arr, currency, term_start,
    case when not is_evergreen then active_to - 1 end as last_day
from core.committed_line
where account_key = :account_key and active_from <= :as_of and active_to > :as_of
order by arr desc nulls last, line_key
"""
MOVEMENTS = """
select day, movement, arr_end - arr_start as change, seats_change_arr, price_change_arr, discount_change_arr, arr_end
from marts.arr_movement
where account_key = :account_key and day <= :as_of and arr_end <> arr_start
order by day desc
"""
FEATURES = """
select f.feature, f.is_key_feature, coalesce(sum(u.n_events), 0) as n_events, count(distinct u.user_key) as n_users,
    string_agg(distinct p.team, ', ') as teams
from meta.feature as f
left join core.usage_day as u on u.feature = f.feature and u.account_key = :account_key
    and u.day > cast(:as_of as date) - 28 and u.day <= :as_of
left join core.product_user as p on p.user_key = u.user_key
group by 1, 2 order by 3 desc, 1
"""
TICKET_COUNT = """
select count(*) as n from core.ticket
where account_key = :account_key and not is_deleted and not is_merged and created_day > cast(:as_of as date) - 365
    and created_day <= :as_of
"""
TICKETS = """
select * from (
    select ticket_id, created_day, priority, status, n_reopens, rating, concat_ws(';',
        case when priority = 'urgent' then 'urgent' end,
        case when rating = 'bad' then 'rated bad' end,
        case when n_reopens > 1 then 'reopened' end,
        case when reply_counted_minutes > first_reply_promised_minutes then 'answered late' end,
        case when resolution_counted_minutes > resolution_promised_minutes then 'solved late' end) as reason
    from core.ticket
    where account_key = :account_key and not is_deleted and not is_merged
        and created_day > cast(:as_of as date) - 365 and created_day <= :as_of
) as t where reason <> '' order by created_day desc, ticket_id limit 10
"""
TASKS = """
select t.rule, t.step, o.name as owner, t.due_on, t.state from core.task as t
left join core.owner as o on o.owner_key = t.owner_key
where t.account_key = :account_key and t.written_on > cast(:as_of as date) - 365
order by t.written_on desc, t.task_key limit 20
"""
INVOICES = """
select count(*) as n,
    count(*) filter (where i.amount_open <= 0 and i.paid_on > i.due_on + 5) as n_late,
    count(*) filter (where i.amount_open > 0 and i.due_on < :as_of) as n_overdue,
    min(i.due_on) filter (where i.amount_open > 0 and i.due_on < :as_of) as overdue_since
from staging.stg_crm__invoice as i
join core.account_bridge as b on b.source = i.source and b.source_id = i.account_id
where b.account_key = :account_key and not i.is_deleted and i.due_on > cast(:as_of as date) - 730 and i.due_on <= :as_of
    and coalesce(i.status, 'open') not in ('draft', 'void')
"""
RISKS = f"""
select e.signal, e.severity, e.opened_on, (
    select coalesce(array_agg(distinct p.signal), '{{}}') from ops.episode as p
    where p.account_key = e.account_key and p.arm = 'acted' and p.opened_on >= e.opened_on
        and p.signal not in {_TOUCHES}
) as done
from ops.episode as e where e.account_key = :account_key and e.state = 'open'
order by case e.severity when 'high' then 0 else 1 end, e.opened_on, e.signal
"""  # noqa: S608
FIRST_SCORE = """
select min(day) as first, max(day) as last from marts.health_score
where account_key = :account_key and day >= :since and day <= :as_of and computed is not null
"""
PEOPLE = """
select contact_key, name, email, job_title, role, is_champion, is_decision_maker,
    coalesce(role like '%user%', false) as is_user,
    coalesce(role like '%veto%' or role like '%legal%', false) as is_veto,
    cast(last_contacted_at at time zone :zone as date) as last_contact_on
from core.contact where account_key = :account_key and not is_deleted
order by is_decision_maker desc, is_champion desc, last_contacted_at desc nulls last, contact_key limit 20
"""
GONE = """
select max(gone_on) as gone_on from core.key_contact_gone
where account_key = :account_key and gone_on > cast(:as_of as date) - 365
"""
MENTIONS = """
select day from core.competitor_mention
where account_key = :account_key and day > cast(:as_of as date) - 365 and day <= :as_of order by day desc limit 5
"""
COMPETITOR_RECORD = """
select count(*) as n, count(*) filter (where r.outcome = 'lost') as n_lost from core.renewal as r
where r.is_in_rate and r.outcome <> 'open' and exists (
    select from core.competitor_mention as m where m.account_key = r.account_key
        and m.day <= r.decision_date and m.day > r.decision_date - cast(:horizon as integer)
)
"""
COMPARABLE = """
select count(*) as n, count(*) filter (where part = 'lost') as n_lost, sum(renewed) / nullif(sum(target), 0) as kept
from (
    select distinct d.renewal_id, d.part, coalesce(d.renewed_of_target_arr, 0) as renewed, d.target_arr as target
    from marts.health_checkpoint as f
    join marts.renewal_due as d on d.renewal_id = f.renewal_id and d.account_key = f.account_key
    where d.part <> 'open' and d.settled_on <= :as_of and f.days_before between 60 and 120 and f.band = :band
        and f.tier is not distinct from cast(:tier as text)
) as s
"""
# Nothing starts at a held-out account. A touch is a list of one day, without an end.
TIMELINE = f"""
with episodes as (
    select opened_on, closed_on, signal, case
        when arm = '' then 'alert' when signal in {_TOUCHES} then 'touch' else 'playbook'
    end as kind
    from ops.episode where account_key = :account_key and (arm = 'acted' or signal = any(:live))
)

select * from (
    select opened_on as day, kind || case kind when 'alert' then ' opened' when 'playbook' then ' started' else '' end
        as what, signal as about
    from episodes
    union all
    select closed_on, kind || case kind when 'alert' then ' closed' else ' ended' end, signal
    from episodes where kind <> 'touch' and closed_on is not null
    union all
    select done_on, 'task done', rule || ', ' || step from core.task
    where account_key = :account_key and done_on is not null
    union all
    select from_day, 'contact', '' from core.contact_touch where account_key = :account_key
    union all
    select day, 'ARR: ' || movement, to_char(arr_end - arr_start, 'FMS999G999G999G990') from marts.arr_movement
    where account_key = :account_key and arr_end <> arr_start
    union all
    select distinct n.notice_given_on, 'notice given', r.contract_number
    from core.notice as n
    join core.renewal as r on r.account_key = n.account_key and r.renewal_id = n.renewal_id
    where n.account_key = :account_key
    union all
    select created_day, priority || ' ticket', ticket_id from core.ticket
    where account_key = :account_key and not is_deleted and priority in ('urgent', 'high')
    union all
    select given_on, 'pulse ' || score, why from meta.health_pulse
    where account_key = :account_key and known_to is null
) as t where day > cast(:as_of as date) - 180 and day <= :as_of order by day desc, what, about limit 60
"""  # noqa: S608
