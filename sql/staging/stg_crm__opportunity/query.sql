-- Purpose: versions of CRM opportunities under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.crm__opportunity__version
)

select
    source,
    id as opportunity_id,
    nullif(trim(account_id), '') as account_id,
    lower(nullif(trim(opportunity_type), '')) as opportunity_type,
    lower(nullif(trim(pipeline), '')) as pipeline,
    lower(nullif(trim(stage), '')) as stage,
    nullif(trim(contract_number), '') as contract_number,
    coalesce(is_closed, false) as is_closed,
    coalesce(is_won, false) as is_won,
    close_date,
    amount,
    upper(nullif(trim(currency), '')) as currency,
    nullif(trim(renews_id), '') as renews_id,
    term_start,
    term_end,
    cast(term_months as integer) as term_months,
    lower(nullif(trim(amount_per), '')) as amount_per,
    lower(nullif(trim(change_amount), '')) as change_amount,
    cast(notice_months as integer) as notice_months,
    coalesce(is_auto_renew, false) as is_auto_renew,
    coalesce(is_evergreen, false) as is_evergreen,
    coalesce(is_ended, false) as is_ended,
    coalesce(is_paused, false) as is_paused,
    notice_given_on,
    nullif(trim(lost_reason), '') as lost_reason,
    nullif(trim(competitors), '') as competitors,
    nullif(trim(owner_id), '') as owner_id,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_first_load as is_first_load,
    _is_deleted as is_deleted,
    _deleted_at as deleted_at
from versions
