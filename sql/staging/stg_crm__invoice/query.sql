-- Purpose: CRM invoices under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every CRM vendor.
-- Window: none. Caveat: the newest version only; empty if no source maps the object.
with records as (
    select * from raw.crm__invoice
)

select
    source,
    id as invoice_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(contract_number), '') as contract_number,
    nullif(trim(number), '') as number,
    amount,
    coalesce(amount_open, case when lower(trim(status)) = 'open' then amount else 0 end) as amount_open,
    upper(nullif(trim(currency), '')) as currency,
    issued_on,
    due_on,
    paid_on,
    lower(nullif(trim(status), '')) as status,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
