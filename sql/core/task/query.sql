-- Purpose: whether CSMs completed their tasks in time.
-- Grain: task. Inputs: outbox, tasks as last read back, calendar. Window: none; as of today.
-- Caveats: the due day is the original one; moving it snoozes the alert but does not make the task timely. Tasks that
-- no CRM reported are not here. The day of completion is the CRM's last change of the task.
with written as (
    select
        key,
        account_key,
        owner_key,
        address,
        rule,
        step,
        cast(resolved_at at time zone :zone as date) as written_on,
        cast(body ->> 'due_on' as date) as due_on
    from ops.outbox
    where channel = 'crm_task'
        and state = 'sent'
        and undo = ''
        and body ->> 'due_on' is not null
        and resolved_at <= :known_at
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

closed_by_us as (
    select body ->> 'closes' as key, min(cast(resolved_at at time zone :zone as date)) as closed_on
    from ops.outbox
    where channel = 'crm_task'
        and state = 'sent'
        and body ->> 'closes' is not null
        and resolved_at <= :known_at
    group by body ->> 'closes'
),

seen as (
    select key, owner_id, state, cast(coalesce(changed_at, read_at) at time zone :zone as date) as changed_on
    from ops.task
    where cast(read_at at time zone :zone as date) <= :newest
),

judged as (
    select
        w.*,
        case
            when t.owner_id in ('', w.address) then nullif(w.owner_key, '')
            else split_part(w.account_key, ':', 1) || ':' || t.owner_id
        end as whose,
        -- Tasks that a person completed are not read again, so Perennial did not close a completed task.
        case when c.key is not null and t.state <> 'done' then 'closed' else t.state end as state,
        case when t.state <> 'done' then coalesce(c.closed_on, case when t.state = 'deleted' then t.changed_on end) end
            as gone_on,
        case when t.state = 'done' then t.changed_on end as done_on
    from written as w
    join seen as t on t.key = w.key
    left join closed_by_us as c on c.key = w.key
),

delays as (
    select j.key, cast(count(*) as integer) as n_days
    from judged as j
    join meta.calendar as d on d.day > j.due_on and d.day <= j.done_on
    where d.is_working_day
    group by j.key
)

select
    j.key as task_key,
    j.account_key,
    j.whose as owner_key,
    j.rule,
    j.step,
    j.written_on,
    j.due_on,
    j.state,
    j.done_on,
    coalesce(j.gone_on > j.due_on, true) as is_due,
    coalesce(j.done_on <= j.due_on, false) as is_in_time,
    case when j.done_on is not null then coalesce(d.n_days, 0) end as delay_days
from judged as j
left join delays as d on d.key = j.key
