-- Purpose: everybody who entered a stage, and when they entered the next one.
-- Grain: prospect, stage and next stage. Inputs: prospects, stage steps, referrals, product starts. Window: none, past
-- and contracted future. Caveats: first entries count. Prospects of before the loaded usage are not judged on use. From
-- activation to revenue only accounts count that used the product before they paid. Without leads, use or referrals
-- those edges have no row.
with edges as (
    select 'acquisition' as stage, 'activation' as next_stage
    union all
    select 'acquisition', 'revenue'
    union all
    select 'activation', 'retention'
    union all
    select 'activation', 'revenue'
    union all
    select 'revenue', 'referral'
),

entries as (
    select prospect_key, account_key, 'acquisition' as stage, qualified_on as entered_on
    from core.prospect
    where qualified_on is not null and not was_customer
    union all
    select account_key, account_key, stage, entered_on
    from core.stage_step
    where entry_no = 1 and stage <> 'acquisition'
),

known as (
    select
        (select min(first_day) from core.product_start) as usage_from,
        (select min(referred_on) from core.referral) as referrals_from
)

select
    e.prospect_key,
    g.stage,
    g.next_stage,
    e.entered_on,
    n.entered_on as next_on
from edges as g
join entries as e on e.stage = g.stage
cross join known as k
left join core.stage_step as n
    on n.account_key = e.account_key and n.stage = g.next_stage and n.entry_no = 1
where (g.next_stage not in ('activation', 'retention') or e.entered_on > k.usage_from)
    and (g.next_stage <> 'referral' or k.referrals_from is not null)
    and (g.stage <> 'activation' or g.next_stage <> 'revenue' or n.entered_on is null or n.entered_on > e.entered_on)
