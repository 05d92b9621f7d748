-- Purpose: billed usage beyond the commitment.
-- Grain: line. Inputs: CRM line versions, opportunities, plan rates. Window: none.
-- Caveats: outside ARR, renewals and movements. The newest version counts for the whole line, on the last day of the
-- billed usage. Lines in a currency without a plan rate are left out.
with versions as (
    select *, row_number() over (partition by source, line_id order by known_from desc, batch_id desc) as age
    from staging.stg_crm__contract_line
    where known_from <= :known_at
),

opportunities as (
    select * from core.opportunity
    where is_won and not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

lines as (
    select
        v.source || ':' || v.line_id as line_key,
        o.account_key,
        o.opportunity_key,
        v.product,
        coalesce(v.term_end - 1, v.term_start, o.close_date) as day,
        v.amount,
        coalesce(v.currency, :currency) as currency
    from versions as v
    join opportunities as o on o.opportunity_key = v.source || ':' || v.opportunity_id
    where v.age = 1
        and v.is_overage
        and not v.is_deleted
        and v.amount is not null
)

select
    l.line_key,
    l.account_key,
    l.opportunity_key,
    l.product,
    l.day,
    cast(round(l.amount * cast(r.rate as numeric), 2) as numeric(18, 2)) as overage_amount
from lines as l
join meta.plan_rate as r on r.currency = l.currency and l.day >= r.from_day and l.day < r.to_day
