-- Purpose: spend per channel under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveats: the newest version only; channels and campaigns are named as in leads. Empty if no source has
-- the query.
with records as (
    select * from raw.product__channel_cost
)

select
    source,
    id as cost_id,
    replace(lower(nullif(trim(channel), '')), ' ', '_') as channel,
    replace(lower(nullif(trim(campaign), '')), ' ', '_') as campaign,
    lower(nullif(trim(kind), '')) as kind,
    spent_on,
    amount,
    upper(nullif(trim(currency), '')) as currency,
    _is_deleted as is_deleted
from records
