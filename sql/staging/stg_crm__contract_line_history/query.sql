-- Purpose: CRM contract lines before their first load, from the vendor's history.
-- Grain: record and time from which the state applied. Inputs: the former versions of every CRM vendor.
-- Window: none. Caveat: fields without history at the vendor have their value at the time of the report; so does the
-- deal of a line.
with states as (
    select * from raw.crm__contract_line__history
)

select
    source,
    id as line_id,
    coalesce(nullif(trim(opportunity_id), ''), 'contract-' || nullif(trim(contract_id), '')) as opportunity_id,
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
    coalesce(is_evergreen, false) as is_evergreen,
    term_start,
    term_end,
    cast(term_months as integer) as term_months,
    nullif(trim(replaces_id), '') as replaces_id,
    paused_on,
    resumed_on,
    _source_at as valid_from,
    _loaded_at as known_from
from states
