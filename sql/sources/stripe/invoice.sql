-- Purpose: Stripe's invoices, their due dates and paid amounts.
-- Grain: one row per invoice.
-- Tables: those of parts/.
-- Caveat: read in full each time, since Stripe's own times are older than the sync that lands a row.
select
    i.id,
    i.customer_id as account_id,
    i.subscription_id as contract_number,
    i.number,
    round(i.total / coalesce(u.per_unit, 100), 2) as amount,
    round(case when i.status = 'open' then i.amount_remaining else 0 end / coalesce(u.per_unit, 100), 2) as amount_open,
    upper(i.currency) as currency,
    cast(coalesce(i.finalized_at, i.created) at time zone 'UTC' as date) as issued_on,
    -- An invoice that is charged automatically is due at once.
    cast(coalesce(i.due_at, i.finalized_at, i.created) at time zone 'UTC' as date) as due_on,
    cast(i.paid_at at time zone 'UTC' as date) as paid_on,
    case when i.status = 'uncollectible' then 'void' else i.status end as status,
    i.created as created_at,
    cast(null as timestamptz) as updated_at,
    i.is_deleted
from stripe_invoices as i
left join minor_units as u on u.currency = lower(i.currency)
