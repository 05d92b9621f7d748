-- Purpose: when accounts cross the edges of the health bands: after some consecutive days beyond an edge, or at once.
-- Grain: account, edge and day of change. Inputs: scores. Window: days [start, end); reads the 30 days before.
-- Caveats: the same side may appear twice in a row. A first known score, one after 14 days without any, and month ends
-- older than 400 days set the side directly.
with scores as (
    select
        s.account_key,
        s.day,
        c.day_no,
        s.hold_days,
        e.edge,
        case e.edge when 'green' then s.green_side else s.yellow_side end as side
    from marts.health_score as s
    join meta.calendar as c on c.day = s.day
    cross join (select 'yellow' as edge union all select 'green') as e
    where s.day >= cast(:start as date) - 30 and s.day < :end
        and s.unknown_reason = ''
        and (cast(:accounts as text[]) is null or s.account_key = any(cast(:accounts as text[])))
),

signs as (
    select
        *,
        lag(day_no) over w as day_before,
        case when side < 0 then -1 when side = 2 then 1 else 0 end as sign,
        -- Consecutive days on one side have the same difference.
        day_no - row_number() over (
            partition by account_key, edge, case when side < 0 then -1 when side = 2 then 1 else 0 end order by day_no
        ) as island
    from scores
    window w as (partition by account_key, edge order by day_no)
),

runs as (
    select *, row_number() over (partition by account_key, edge, sign, island order by day_no) as n_days
    from signs
),

events as (
    select
        account_key,
        edge,
        day,
        day_before is null or day_no - day_before > 14 as is_plain,
        case
            when day_before is null or day_no - day_before > 14 then case when side > 0 then 1 else -1 end
            when side = -2 or (sign = -1 and n_days >= hold_days) then -1
            when sign = 1 and n_days >= hold_days then 1
            else 0
        end as event
    from runs
),

onsets as (
    select *, lag(event) over (partition by account_key, edge order by day) as event_before
    from events
)

select account_key, edge, day, event = 1 as is_above
from onsets
where day >= :start and day < :end
    and event <> 0
    and (is_plain or event_before is null or event <> event_before)
