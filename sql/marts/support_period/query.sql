-- Purpose: the figures of support. Grain: period and group.
-- Inputs: tickets, attribute steps, periods. Window: periods that end on days [start, end).
-- Caveats: first replies are those of tickets created in the period, resolutions those of tickets solved in it.
-- Unanswered tickets are counted, not averaged. An SLA target is due once there is an answer, or a solution, or its
-- time has passed at the period's end. SLA targets are those of tickets created in the period; merged tickets have none
-- for the solution.
with closed as (
    select c.day, 1440 * count(d.day) over (order by c.day rows unbounded preceding) as closed_minutes
    from meta.calendar as c
    -- The times below allow for weekends already.
    left join meta.closed_day as d on d.day = c.day and c.is_working_day
),

periods as (
    select
        p.*,
        extract(epoch from cast(cast(p.as_of + 1 as timestamp) at time zone :zone as timestamptz)) / 60 as minute_no,
        d.closed_minutes
    from meta.period as p
    join closed as d on d.day = p.as_of
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

-- An unanswered target in business minutes is broken once a schedule of 40 hours a week would have used them up, plus a
-- long weekend and the days on which the desk is closed: it counts business minutes only once there is an answer.
tickets as (
    select
        t.*,
        extract(epoch from t.created_at) / 60 as minute_no,
        d.closed_minutes,
        t.first_reply_promised_minutes
        + case when t.is_reply_in_business then 4320 + 3.2 * t.first_reply_promised_minutes else 0 end
            as reply_over_after,
        t.resolution_promised_minutes
        + case when t.is_resolution_in_business then 4320 + 3.2 * t.resolution_promised_minutes else 0 end
            as solution_over_after
    from core.ticket as t
    join closed as d on d.day = t.created_day
    where not is_deleted
        and created_day < :end
        and (
            solved_day is null
            or solved_day >= cast(:start as date) - 92
            or rated_day >= cast(:start as date) - 92
            or created_day >= cast(:start as date) - 92
        )
),

limits as (
    select * from meta.urgent_limit
),

solves as (
    select * from core.ticket_solve where solved_day >= cast(:start as date) - 92 and solved_day < :end
),

solved_again as (
    select
        p.period,
        p.as_of,
        s.ticket_key,
        max(case when s.is_reopened_in_14_days then 1 else 0 end) as is_reopened
    from periods as p
    join solves as s on s.solved_day >= p.period_start and s.solved_day <= p.as_of
    group by p.period, p.as_of, s.ticket_key
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        g.grain,
        g.grain_key,
        t.created_day >= p.period_start as is_created,
        t.solved_day >= p.period_start and t.solved_day <= p.as_of as is_solved,
        t.solved_day is null or t.solved_day > p.as_of as is_open,
        t.rated_day >= p.period_start and t.rated_day <= p.as_of as is_rated,
        t.priority,
        t.ticket_type,
        p.as_of - t.created_day as n_days_old,
        p.minute_no - t.minute_no > 60 * coalesce(l.hours, d.hours) as is_over_limit,
        t.rating,
        t.first_reply_minutes,
        t.is_reply_known,
        t.reply_counted_minutes <= t.first_reply_promised_minutes as is_reply_kept,
        t.first_reply_promised_minutes is not null
            and (t.reply_counted_minutes is not null
                or t.first_reply_minutes is null
                and t.is_reply_known
                and p.minute_no - t.minute_no
                - case when t.is_reply_in_business then p.closed_minutes - t.closed_minutes else 0 end
                > t.reply_over_after) as is_reply_due,
        t.resolution_counted_minutes <= t.resolution_promised_minutes as is_solution_kept,
        t.resolution_promised_minutes is not null
            and not t.is_merged
            and (t.resolution_counted_minutes is not null
                or t.full_resolution_minutes is null
                -- The desk tells the wait and the time in pending as of the ticket's last change: while it is not
                -- pending, it has waited on since. A closed day in pending counts once: the shorter wait decides.
                and least(
                    p.minute_no - t.minute_no
                    - case when t.is_resolution_in_business then p.closed_minutes - t.closed_minutes else 0 end,
                    case
                        when t.stops_while_pending and t.status = 'pending' then coalesce(t.requester_wait_minutes, 0)
                        when t.stops_while_pending
                            then p.minute_no - t.minute_no - coalesce(t.agent_wait_minutes, 0)
                    end
                ) > t.solution_over_after
            ) as is_solution_due,
        t.first_resolution_minutes,
        t.requester_wait_minutes,
        t.agent_wait_minutes,
        s2.is_reopened,
        t.first_reply_business_minutes,
        t.full_resolution_minutes
    from periods as p
    join tickets as t on t.created_day <= p.as_of
    left join solved_again as s2 on s2.period = p.period and s2.as_of = p.as_of and s2.ticket_key = t.ticket_key
    join core.account_group as g
        on g.account_key = t.account_key
        and p.as_of >= g.from_day and (g.to_day is null or p.as_of < g.to_day)
        and (g.grain = 'all' or p.period <> 'day')
    left join limits as l on l.tier = lower(g.tier)
    left join limits as d on d.tier = 'default'
    where t.created_day >= p.period_start
        or t.solved_day is null
        or t.solved_day >= p.period_start
        or t.rated_day >= p.period_start
        or s2.ticket_key is not null
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    count(case when is_created then 1 end) as n_created,
    count(case when is_solved then 1 end) as n_solved,
    count(case when is_open then 1 end) as n_open,
    count(case when is_open and priority = 'urgent' then 1 end) as n_open_urgent,
    count(case when is_created then first_reply_minutes end) as n_replied,
    count(case when is_created and first_reply_minutes is null and is_reply_known then 1 end) as n_unanswered,
    cast(sum(case when is_created then first_reply_minutes end) as bigint) as first_reply_minutes,
    percentile_cont(0.5) within group (order by case when is_created then first_reply_minutes end)
        as median_first_reply_minutes,
    percentile_cont(0.5) within group (order by case when is_created then first_reply_business_minutes end)
        as median_first_reply_business_minutes,
    count(case when is_solved then full_resolution_minutes end) as n_resolved,
    cast(sum(case when is_solved then full_resolution_minutes end) as bigint) as full_resolution_minutes,
    percentile_cont(0.5) within group (order by case when is_solved then full_resolution_minutes end)
        as median_full_resolution_minutes,
    count(case when is_rated and rating = 'good' then 1 end) as n_good,
    count(case when is_rated and rating = 'bad' then 1 end) as n_bad,
    count(case when is_open and priority = 'high' then 1 end) as n_open_high,
    count(case when is_open and priority = 'normal' then 1 end) as n_open_normal,
    count(case when is_open and priority = 'low' then 1 end) as n_open_low,
    count(case when is_open and ticket_type = 'incident' then 1 end) as n_open_incidents,
    count(case when is_open and ticket_type = 'problem' then 1 end) as n_open_problems,
    count(case when is_open and ticket_type = 'question' then 1 end) as n_open_questions,
    count(case when is_open and ticket_type = 'task' then 1 end) as n_open_tasks,
    count(case when is_open and n_days_old <= 7 then 1 end) as n_open_week,
    count(case when is_open and n_days_old between 8 and 30 then 1 end) as n_open_month,
    count(case when is_open and n_days_old between 31 and 90 then 1 end) as n_open_quarter,
    count(case when is_open and n_days_old > 90 then 1 end) as n_open_longer,
    count(case when is_open and priority = 'urgent' and is_over_limit then 1 end) as n_open_urgent_late,
    count(is_reopened) as n_solved_tickets,
    cast(coalesce(sum(is_reopened), 0) as bigint) as n_reopened,
    count(case when is_created and is_reply_due then 1 end)
    + count(case when is_created and is_solution_due then 1 end) as n_promised,
    count(case when is_created and is_reply_due and is_reply_kept then 1 end)
    + count(case when is_created and is_solution_due and is_solution_kept then 1 end) as n_kept,
    cast(sum(case when is_created then first_reply_business_minutes end) as bigint) as first_reply_business_minutes,
    count(case when is_created then first_reply_business_minutes end) as n_replied_business,
    percentile_cont(0.5) within group (order by case when is_solved then first_resolution_minutes end)
        as median_first_resolution_minutes,
    cast(sum(case when is_solved then first_resolution_minutes end) as bigint) as first_resolution_minutes,
    percentile_cont(0.5) within group (order by case when is_solved then requester_wait_minutes end)
        as median_requester_wait_minutes,
    cast(sum(case when is_solved then requester_wait_minutes end) as bigint) as requester_wait_minutes,
    percentile_cont(0.5) within group (order by case when is_solved then agent_wait_minutes end)
        as median_agent_wait_minutes,
    cast(sum(case when is_solved then agent_wait_minutes end) as bigint) as agent_wait_minutes
from members
group by period, period_start, as_of, grain, grain_key
