-- Purpose: merges as events: the ARR that moved from one account to another on a day.
-- Grain: day, merged account and leg. Inputs: the series of merged accounts. Window: none.
-- Caveat: the legs of one event add up to zero, so a transfer is no movement of any group.
with series as (
    select * from core.origin_arr_step where from_day = merged_on
)

select
    from_day as day,
    origin_key as event_key,
    origin_key as account_key,
    survivor_key as counterpart_key,
    -moved_arr as transfer_arr
from series
union all
select
    from_day,
    origin_key,
    survivor_key,
    origin_key,
    moved_arr
from series
