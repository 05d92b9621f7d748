-- Purpose: what became of deals in which a competitor was named. Grain: renewal or deal, and competitor.
-- Inputs: texts that name a competitor, renewals, deals. Window: none.
-- Caveats: named in the 180 days up to the closing day, by a text of the account. A deal of type renewal counts as the
-- renewal that it settled. Renewals that a rate does not count are left out. One deal may count for two competitors.
with closed as (
    select
        'renewal' as kind,
        renewal_id as deal_key,
        account_key,
        closed_on,
        outcome <> 'lost' as is_won,
        target_arr as arr,
        case when outcome = 'lost' then lost_reason end as lost_reason
    from core.renewal
    where is_in_rate and outcome not in ('open', 'restarted') and closed_on is not null
    union all
    select
        'deal',
        opportunity_key,
        account_key,
        close_date,
        is_won,
        null,
        case when not is_won then lost_reason end
    from core.opportunity
    where is_closed and not is_deleted and opportunity_type <> 'renewal' and close_date is not null
),

named as (
    select distinct account_key, competitor, day from core.competitor_text
)

select distinct
    n.competitor,
    c.kind,
    c.deal_key,
    c.account_key,
    c.closed_on,
    c.is_won,
    cast(c.arr as numeric(18, 2)) as arr,
    c.lost_reason,
    coalesce(position(n.competitor in lower(c.lost_reason)) > 0, false) as is_lost_to
from closed as c
join named as n on n.account_key = c.account_key and n.day <= c.closed_on and n.day > c.closed_on - 180
