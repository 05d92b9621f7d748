-- Purpose: versions of CRM contract lines under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.crm__contract_line__version
)

select
    source,
    id as line_id,
    coalesce(nullif(trim(opportunity_id), ''), 'contract-' || nullif(trim(contract_id), '')) as opportunity_id,
    nullif(trim(opportunity_id), '') is null and nullif(trim(contract_id), '') is not null as has_no_deal,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(product), '') as product,
    quantity,
    coalesce(amount, unit_price * case when is_flat_price then coalesce(sign(quantity), 1) else quantity end) as amount,
    lower(nullif(trim(amount_per), '')) as amount_per,
    lower(nullif(trim(change_amount), '')) as change_amount,
    lower(nullif(trim(billing_frequency), '')) as billing_frequency,
    list_amount,
    upper(nullif(trim(currency), '')) as currency,
    -- A line billed once for a term recurs if the mapping says so.
    (
        coalesce(is_recurring, false)
        or (coalesce(recurs_by_term, false) and (term_months is not null or term_end is not null))
    )
    and not coalesce(is_overage, false) as is_recurring,
    coalesce(is_overage, false) as is_overage,
    coalesce(is_evergreen, false) as is_evergreen,
    term_start,
    term_end,
    cast(term_months as integer) as term_months,
    nullif(trim(replaces_id), '') as replaces_id,
    paused_on,
    resumed_on,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_first_load as is_first_load,
    _is_deleted as is_deleted,
    _deleted_at as deleted_at
from versions
