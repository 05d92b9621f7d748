-- Purpose: when an account started to use the product, fell silent and came back, without a row per day.
-- Grain: account and day of change. Inputs: usage of 28 days. Window: days [start, end); reads the day before.
-- Caveat: an account is active if it had a value event in the last 28 days, so each start follows at least 28 silent
-- days.
with usage as (
    select
        account_key,
        day,
        n_value_events_28d > 0 as is_active,
        lag(n_value_events_28d > 0) over (partition by account_key order by day) as was_active
    from core.usage_28d
    where day >= cast(:start as date) - 1
        and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select
    account_key,
    day,
    is_active
from usage
where day >= :start
    and is_active <> coalesce(was_active, false)
