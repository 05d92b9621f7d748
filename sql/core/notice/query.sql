-- Purpose: notices by day, so that a changed notice affects the days since it was given.
-- Grain: renewal with a notice. Inputs: renewals. Window: none.
-- Caveat: a notice that was withdrawn because the renewal was won counts until the day before.
select
    account_key,
    renewal_id,
    notice_given_on,
    case when outcome in ('open', 'lost') then due_date else least(due_date, closed_on - 1) end as until_day,
    target_arr
from core.renewal
where notice_given_on is not null
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
