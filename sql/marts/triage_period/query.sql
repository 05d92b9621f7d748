-- Purpose: what tickets are about, by month, and how often the same account asks about the same again.
-- Grain: month and label. Inputs: labels of tickets. Window: none.
-- Caveats: the current labels, so a correction changes the past. Spam and tickets without text do not count. A ticket
-- that names no feature or topic is no repeat.
with tickets as (
    select
        *,
        lag(created_day) over (partition by account_key, label, about order by created_day, ticket_key) as before
    from core.ticket_triage
    where known_to is null and labelled_by not in ('empty', 'spam')
),

counted as (
    select
        cast(date_trunc('month', created_day) as date) as month,
        label,
        cast(count(*) as integer) as n_tickets,
        cast(count(distinct account_key) as integer) as n_accounts,
        cast(
            sum(
                case when about <> '' and label <> 'unknown' and created_day - before <= 28 then 1 else 0 end
            ) as integer
        ) as n_repeats
    from tickets
    group by cast(date_trunc('month', created_day) as date), label
)

select
    month,
    label,
    n_tickets,
    cast(n_tickets as double precision) / sum(n_tickets) over (partition by month) as share,
    n_accounts,
    n_repeats,
    cast(n_repeats as double precision) / n_tickets as repeat_rate
from counted
