-- Purpose: merges as events: what left one account and reached another on the same day.
-- Grain: day, merged account and leg. Inputs: the series of merged accounts. Window: none.
-- Caveat: the legs of one event add up to zero, so that no transfer is a movement of any group.
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
