-- Purpose: what became of each account of an experiment, from its assignment to the outcome of its renewal.
-- Grain: experiment and account. Inputs: assignments, runs, renewals, tasks, tickets, activities. Window: as of today.
-- Caveats: by intention to treat, in the assigned arm. The outcome is that of the renewal of the first run after the
-- assignment, else of the first one decided within the horizon. A renewal settles at the end of its grace, won or lost:
-- else early wins would raise the rate. Families with a key account before the trigger do not count, nor do runs of
-- held-out accounts with tasks or runs after the planned end: the hold-out was over.
with assigned as (
    select x.*, e.horizon_days, e.ends_on
    from ops.experiment_account as x
    join ops.experiment as e on e.experiment = x.experiment
    where x.known_from <= :known_at
        and (cast(:accounts as text[]) is null or x.account_key = any(cast(:accounts as text[])))
),

runs as (
    select
        a.experiment,
        a.account_key,
        a.unit_key,
        a.arm,
        a.horizon_days,
        p.entity_kind,
        p.entity_id,
        p.opened_on as triggered_on,
        row_number() over (
            partition by a.experiment, a.account_key order by p.opened_on, p.entity_kind, p.entity_id, p.episode_no
        ) as number
    from assigned as a
    join ops.episode as p
        on p.signal = a.experiment
        and p.account_key = a.account_key
        and p.opened_on >= a.assigned_on
        and p.opened_on <= :newest
        and p.opened_on <= coalesce(a.ends_on, 'infinity')
        and p.arm = a.arm
    where a.withdrawn_on is null or p.opened_on < a.withdrawn_on
),

first_runs as (
    select * from runs where number = 1
),

decisions as (
    select
        f.experiment,
        f.account_key,
        r.renewal_id,
        r.decision_date,
        d.part,
        d.part <> 'open' and r.due_date + r.grace_days <= :newest as is_settled,
        r.target_arr,
        d.renewed_of_target_arr,
        row_number() over (
            partition by f.experiment, f.account_key order by r.decision_date, r.renewal_id
        ) as number
    from first_runs as f
    join core.renewal as r
        on r.account_key = f.account_key
        and case
            when f.entity_kind = 'renewal' then r.renewal_id = f.entity_id
            else r.decision_date > f.triggered_on and r.decision_date <= f.triggered_on + f.horizon_days
        end
    join marts.renewal_due as d on d.renewal_id = r.renewal_id
),

outcomes as (
    select * from decisions where number = 1
),

tasks as (
    select
        f.experiment,
        f.account_key,
        count(*) as n_tasks,
        sum(case when t.state = 'done' then 1 else 0 end) as n_tasks_done
    from first_runs as f
    join core.task as t
        on t.account_key = f.account_key and t.rule = f.experiment and t.written_on >= f.triggered_on
    group by f.experiment, f.account_key
),

ratings as (
    select
        f.experiment,
        f.account_key,
        count(*) as n_rated,
        sum(case when t.rating = 'bad' then 1 else 0 end) as n_bad
    from first_runs as f
    join core.ticket as t
        on t.account_key = f.account_key
        and t.rating is not null
        and not t.is_deleted
        and t.rated_day > f.triggered_on
        and t.rated_day <= f.triggered_on + f.horizon_days
    group by f.experiment, f.account_key
),

seen as (
    select
        b.account_key,
        a.activity_type,
        case when a.is_completed and a.activity_type in ('call', 'meeting') then a.duration_minutes end as minutes,
        lower(trim(replace(a.subject, c.name, ''))) as subject,
        cast(a.happened_at at time zone :zone as date) as happened_on
    from staging.stg_crm__activity as a
    join core.account_bridge as b on b.source = a.source and b.source_id = a.account_id
    join core.account as c on c.account_key = b.account_key
    where not a.is_deleted
        and b.account_key in (select account_key from first_runs)
),

-- Subjects of the playbook's tasks, without the account's name.
task_subjects as (
    select distinct o.rule, lower(trim(replace(o.subject, c.name, ''))) as subject
    from ops.outbox as o
    join core.account as c on c.account_key = o.account_key
    where o.channel = 'crm_task' and o.rule in (select experiment from assigned)
),

activities as (
    select
        f.experiment,
        f.account_key,
        sum(n.minutes) as minutes,
        bool_or(n.activity_type = 'task' and s.subject is not null) as has_same_task
    from first_runs as f
    join seen as n
        on n.account_key = f.account_key
        and n.happened_on >= f.triggered_on
        and n.happened_on <= f.triggered_on + f.horizon_days
    left join task_subjects as s on s.rule = f.experiment and s.subject = n.subject
    group by f.experiment, f.account_key
)

select
    a.experiment,
    a.account_key,
    a.unit_key,
    a.arm,
    a.stratum,
    a.tier,
    a.band,
    a.arr,
    a.owner_key,
    a.assigned_on,
    f.triggered_on,
    case
        when f.triggered_on is null then case when a.withdrawn_on is null then 'assigned' else 'withdrawn' end
        when o.is_settled then 'settled'
        when o.renewal_id is not null then 'open'
        when f.triggered_on + f.horizon_days < :newest then 'no_renewal'
        else 'open'
    end as state,
    o.renewal_id,
    o.decision_date,
    case when o.is_settled then o.part <> 'lost' end as is_renewed,
    o.target_arr,
    case when o.is_settled then coalesce(o.renewed_of_target_arr, 0) end as renewed_of_target_arr,
    cast(coalesce(t.n_tasks, 0) as integer) as n_tasks,
    cast(coalesce(t.n_tasks_done, 0) as integer) as n_tasks_done,
    a.arm = 'held_out' and coalesce(v.has_same_task, false) as is_contaminated,
    cast(r.n_rated as integer) as n_rated,
    cast(r.n_bad as integer) as n_bad,
    cast(v.minutes as double precision) as contact_minutes
from assigned as a
left join first_runs as f on f.experiment = a.experiment and f.account_key = a.account_key
left join outcomes as o on o.experiment = a.experiment and o.account_key = a.account_key
left join tasks as t on t.experiment = a.experiment and t.account_key = a.account_key
left join ratings as r on r.experiment = a.experiment and r.account_key = a.account_key
left join activities as v on v.experiment = a.experiment and v.account_key = a.account_key
