-- Purpose: the state of data and alerts, and whether CSMs complete their tasks in time.
-- Grain: period and group. Inputs: batches, quarantine, episodes, outbox, tasks, attribute steps, periods.
-- Window: periods that end on days [start, end).
-- Caveats: completed periods only, days included. Grouped by source and by rule for data, by CSM for alerts and tasks,
-- also by day. Hours behind are as of the close, from the time up to which a source was completely read, whatever its
-- last record's age. A task counts in the period in which it was due.
with periods as (
    select p.*
    from meta.period as p
    where p.as_of >= :start and p.as_of < :end and p.as_of < cast(:newest as date)
),

attribute_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
),

batches as (
    select
        source,
        entity,
        cast(merged_at at time zone :zone as date) as day,
        max(read_until) as read_until,
        sum(n_rows) as n_rows,
        sum(n_quarantined) as n_quarantined
    from meta.batch
    where state = 'merged' and merged_at <= :known_at
    group by source, entity, cast(merged_at at time zone :zone as date)
),

bad_rows as (
    select rule_id, entity, cast(quarantined_at at time zone :zone as date) as day, count(*) as n_rows
    from quarantine.record
    where quarantined_at <= :known_at
    group by rule_id, entity, cast(quarantined_at at time zone :zone as date)
),

-- How far each entity of a source was read by the close.
read_upto as (
    select p.period, p.as_of, b.source, b.entity, max(b.read_until) as read_until
    from periods as p
    join batches as b on b.day <= p.as_of
    where b.read_until is not null
    group by p.period, p.as_of, b.source, b.entity
),

behind as (
    select
        r.period,
        r.as_of,
        r.source,
        max(
            extract(epoch from (cast(cast(r.as_of + 1 as timestamp) at time zone :zone as timestamptz) - r.read_until))
            / 3600
        ) as hours_behind
    from read_upto as r
    group by r.period, r.as_of, r.source
),

volumes as (
    select
        p.period,
        p.as_of,
        b.source,
        b.entity,
        sum(b.n_rows) as n_rows,
        sum(b.n_quarantined) as n_quarantined
    from periods as p
    join batches as b on b.day >= p.period_start and b.day <= p.as_of
    group by p.period, p.as_of, b.source, b.entity
),

-- Runs of playbooks and starts of touches have an arm.
alerts as (
    select
        p.period,
        p.as_of,
        coalesce(s.owner_key, 'unknown') as owner_key,
        count(case when e.opened_on >= p.period_start then 1 end) as n_new,
        count(case when e.closed_on is null or e.closed_on > p.as_of then 1 end) as n_open
    from periods as p
    join ops.episode as e on e.opened_on <= p.as_of and (e.closed_on is null or e.closed_on >= p.period_start)
    left join attribute_steps as s
        on s.account_key = e.account_key and p.as_of >= s.from_day and (s.to_day is null or p.as_of < s.to_day)
    where e.arm = ''
    group by p.period, p.as_of, coalesce(s.owner_key, 'unknown')
),

messages as (
    select
        p.period,
        p.as_of,
        o.owner_key,
        sum(o.n_planned) as n_planned,
        sum(o.n_suppressed) as n_suppressed
    from periods as p
    join (
        select
            coalesce(nullif(owner_key, ''), 'unknown') as owner_key,
            cast(planned_at at time zone :zone as date) as day,
            count(*) as n_planned,
            count(case when state = 'suppressed' then 1 end) as n_suppressed
        from ops.outbox
        where channel <> 'crm_field'
        group by coalesce(nullif(owner_key, ''), 'unknown'), cast(planned_at at time zone :zone as date)
    ) as o on o.day >= p.period_start and o.day <= p.as_of
    group by p.period, p.as_of, o.owner_key
),

tasks as (
    select p.period, p.as_of, coalesce(t.owner_key, 'unknown') as owner_key, t.is_in_time, t.delay_days
    from periods as p
    join core.task as t on t.due_on >= p.period_start and t.due_on <= p.as_of
    where t.is_due
),

figures as (
    select
        period,
        as_of,
        'source' as grain,
        source as grain_key,
        hours_behind,
        cast(null as bigint) as n_rows,
        cast(null as bigint) as n_quarantined,
        cast(null as bigint) as n_new,
        cast(null as bigint) as n_open,
        cast(null as bigint) as n_planned,
        cast(null as bigint) as n_suppressed,
        cast(null as integer) as n_due,
        cast(null as integer) as n_in_time,
        cast(null as integer) as delay_days
    from behind
    union all
    select period, as_of, 'source', source, null, n_rows, n_quarantined, null, null, null, null, null, null, null
    from volumes
    union all
    select v.period, v.as_of, 'rule', x.rule_id, null, v.n_rows, x.n_bad, null, null, null, null, null, null, null
    from (
        select p.period, p.as_of, b.rule_id, b.entity, sum(b.n_rows) as n_bad
        from periods as p
        join bad_rows as b on b.day >= p.period_start and b.day <= p.as_of
        group by p.period, p.as_of, b.rule_id, b.entity
    ) as x
    join (
        select period, as_of, entity, sum(n_rows) as n_rows from volumes group by period, as_of, entity
    ) as v on v.period = x.period and v.as_of = x.as_of and v.entity = x.entity
    union all
    select period, as_of, 'csm', owner_key, null, null, null, n_new, n_open, null, null, null, null, null from alerts
    union all
    select period, as_of, 'csm', owner_key, null, null, null, null, null, n_planned, n_suppressed, null, null, null
    from messages
    union all
    select
        period,
        as_of,
        'csm',
        owner_key,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        1,
        case when is_in_time then 1 else 0 end,
        delay_days
    from tasks
),

-- All groups together: the source furthest behind, and sums of all but the rules, which count rows again.
grouped as (
    select f.*, g.put_together
    from figures as f
    cross join (select grain = 'all' as put_together from meta.grain where grain in ('all', 'csm')) as g
    where (g.put_together and f.grain <> 'rule')
        or (not g.put_together and (f.period <> 'day' or f.grain = 'csm'))
)

select
    x.period,
    p.period_start,
    x.as_of,
    case when x.put_together then 'all' else x.grain end as grain,
    case when x.put_together then 'all' else x.grain_key end as grain_key,
    cast(max(x.hours_behind) as double precision) as hours_behind,
    cast(sum(x.n_rows) as bigint) as n_rows,
    cast(sum(x.n_quarantined) as bigint) as n_quarantined,
    cast(sum(x.n_new) as bigint) as n_alerts_new,
    cast(sum(x.n_open) as bigint) as n_alerts_open,
    cast(sum(x.n_planned) as bigint) as n_planned,
    cast(sum(x.n_suppressed) as bigint) as n_suppressed,
    cast(sum(x.n_due) as bigint) as n_tasks_due,
    cast(sum(x.n_in_time) as bigint) as n_tasks_in_time,
    cast(count(x.delay_days) as bigint) as n_tasks_done,
    cast(sum(x.delay_days) as bigint) as task_delay_days,
    percentile_cont(0.5) within group (order by x.delay_days) as median_task_delay_days
from grouped as x
join periods as p on p.period = x.period and p.as_of = x.as_of
group by
    x.period,
    p.period_start,
    x.as_of,
    case when x.put_together then 'all' else x.grain end,
    case when x.put_together then 'all' else x.grain_key end
