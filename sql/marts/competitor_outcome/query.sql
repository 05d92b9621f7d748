-- Purpose: what became of deals in which a competitor was named. Grain: renewal or deal, and competitor.
-- Inputs: texts that name a competitor, renewals, deals, accounts. Window: none.
-- Caveats: named in the 180 days up to the closing day, by a text of the account. A deal that settled a renewal counts
-- as that, whatever its type. Renewals that a rate does not count and excluded accounts are left out. One deal may
-- count for two competitors.
with excluded as (
    select account_key from core.account where is_excluded
),

renewals as (
    select * from core.renewal
    where is_in_rate and outcome not in ('open', 'restarted') and closed_on is not null
),

closed as (
    select
        'renewal' as kind,
        renewal_id as deal_key,
        account_key,
        closed_on,
        outcome <> 'lost' as is_won,
        target_arr as arr,
        case when outcome = 'lost' then lost_reason end as lost_reason,
        closing_opportunity_key as opportunity_key
    from renewals
    union all
    select
        'deal',
        o.opportunity_key,
        o.account_key,
        o.close_date,
        o.is_won,
        null,
        case when not o.is_won then o.lost_reason end,
        o.opportunity_key
    from core.opportunity as o
    left join renewals as r on r.closing_opportunity_key = o.opportunity_key
    where o.is_closed
        and not o.is_deleted
        and o.opportunity_type <> 'renewal'
        and o.close_date is not null
        and r.renewal_id is null
),

named as (
    select account_key, competitor, day, case when origin = 'lost_reason' then text_key end as reason_key
    from core.competitor_text
)

select
    n.competitor,
    c.kind,
    c.deal_key,
    c.account_key,
    c.closed_on,
    c.is_won,
    cast(c.arr as numeric(18, 2)) as arr,
    c.lost_reason,
    coalesce(bool_or(n.reason_key = c.opportunity_key), false) and c.lost_reason is not null as is_lost_to
from closed as c
join named as n on n.account_key = c.account_key and n.day <= c.closed_on and n.day > c.closed_on - 180
left join excluded as x on x.account_key = c.account_key
where x.account_key is null
group by n.competitor, c.kind, c.deal_key, c.account_key, c.closed_on, c.is_won, c.arr, c.lost_reason
