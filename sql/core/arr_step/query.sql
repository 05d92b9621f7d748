-- Purpose: ARR and what is kept, for any day, without a row per day.
-- Grain: account and day of change. Inputs: committed lines, renewals. Window: none, past and contracted future.
-- Caveat: pauses are not mapped from any source, so kept is ARR and pending_late; paused is not available.
with lines as (
    select * from core.committed_line
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

renewals as (
    select * from core.renewal
    where pending_until is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

deltas as (
    select account_key, active_from as day, arr, cast(0 as numeric) as pending, cast(0 as numeric) as suspected
    from lines
    union all
    select account_key, active_to, -arr, 0, 0 from lines
    union all
    select account_key, suspected_from, 0, 0, arr from lines where suspected_from < active_to
    union all
    select account_key, active_to, 0, 0, -arr from lines where suspected_from < active_to
    union all
    select account_key, due_date, 0, pending_arr, 0 from renewals
    union all
    select account_key, pending_until, 0, -pending_arr, 0 from renewals
),

daily as (
    select account_key, day, sum(arr) as arr, sum(pending) as pending, sum(suspected) as suspected
    from deltas
    group by account_key, day
),

running as (
    select
        account_key,
        day as from_day,
        arr <> 0 or pending <> 0 or suspected <> 0 as is_step,
        sum(arr) over (partition by account_key order by day rows unbounded preceding) as arr,
        sum(pending) over (partition by account_key order by day rows unbounded preceding) as pending_late_arr,
        sum(suspected) over (partition by account_key order by day rows unbounded preceding) as suspected_deleted_arr
    from daily
)

select
    account_key,
    from_day,
    cast(arr as numeric(18, 2)) as arr,
    cast(pending_late_arr as numeric(18, 2)) as pending_late_arr,
    cast(suspected_deleted_arr as numeric(18, 2)) as suspected_deleted_arr,
    cast(arr + pending_late_arr as numeric(18, 2)) as kept_arr
from running
where is_step
