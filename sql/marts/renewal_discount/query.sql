-- Purpose: what a renewal was won for, against its list price and what was approved.
-- Grain: settled renewal. Inputs: renewals, health 30 days before the decision, approved discounts, next terms.
-- Window: none.
-- Caveats: without list prices of all its lines, a won renewal has no list price and no depth. A lost renewal has
-- neither; it is here for the renewal rate of its band. An approval is of a share of the list price. It counts if it
-- was given by the winning day, had not lapsed on it, and the next term is at least as long as its own.
with next_terms as (
    select
        account_key,
        opportunity_key,
        max(cast(round((due_date - term_start) * 12 / 365.25) as integer)) as term_months
    from core.agreed_term
    where due_date is not null
    group by account_key, opportunity_key
),

settled as (
    select s.*, n.term_months
    from marts.renewal_due as s
    join core.renewal as d on d.account_key = s.account_key and d.renewal_id = s.renewal_id
    left join next_terms as n on n.account_key = d.account_key and n.opportunity_key = d.closing_opportunity_key
    where s.part <> 'open'
        and s.settled_on is not null
        and (cast(:accounts as text[]) is null or s.account_key = any(cast(:accounts as text[])))
),

bands as (
    select account_key, renewal_id, band from marts.health_checkpoint where days_before = 30
),

approved as (
    select s.account_key, s.renewal_id, min(q.offer_arr / q.list_arr) as approved_share
    from settled as s
    join meta.discount_request as q
        on q.renewal_id = s.renewal_id
        and q.state = 'approved'
        and q.answered_at <= :known_at
        and cast(q.answered_at at time zone :zone as date) <= s.closed_on
        and q.valid_until >= s.closed_on
        and (q.term_months is null or q.term_months <= s.term_months)
    group by s.account_key, s.renewal_id
)

select
    s.renewal_id,
    s.account_key,
    s.decision_date,
    s.settled_on,
    s.tier,
    s.owner_key,
    coalesce(b.band, 'unknown') as band,
    s.part <> 'lost' as is_renewed,
    case when s.part <> 'lost' then s.renewed_list_arr end as list_arr,
    case when s.part <> 'lost' then s.renewed_arr end as renewed_arr,
    case
        when s.part <> 'lost' and s.renewed_list_arr > 0
            then cast(greatest(1 - s.renewed_arr / s.renewed_list_arr, 0) as double precision)
    end as depth,
    s.term_months,
    cast(round(a.approved_share * s.renewed_list_arr, 2) as numeric(18, 2)) as approved_arr
from settled as s
left join bands as b on b.account_key = s.account_key and b.renewal_id = s.renewal_id
left join approved as a on a.account_key = s.account_key and a.renewal_id = s.renewal_id
