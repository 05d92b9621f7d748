-- Purpose: versions of leads under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor.
-- Window: none. Caveats: blanks become null; channels and campaigns are lower case with underscores. Empty if no
-- source maps it.
with versions as (
    select * from raw.crm__lead__version
)

select
    source,
    id as lead_id,
    nullif(trim(account_id), '') as account_id,
    replace(lower(nullif(trim(channel), '')), ' ', '_') as channel,
    replace(lower(nullif(trim(last_channel), '')), ' ', '_') as last_channel,
    last_touch_at,
    replace(lower(nullif(trim(campaign), '')), ' ', '_') as campaign,
    nullif(trim(referred_by_id), '') as referred_by_id,
    lead_at,
    qualified_at,
    sales_qualified_at,
    converted_at,
    created_at,
    _loaded_at as known_from,
    _batch_id as batch_id,
    _is_deleted as is_deleted
from versions
