-- Purpose: what Stripe billed, when it is due and what of it is paid.
-- Grain:   one row per invoice.
-- Tables:  as Airbyte lands them, deduped (github.com/airbytehq/airbyte, source-stripe/erd/source.dbml);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: read in full each time: `updated` is Stripe's time of the event, and the sync lands the row hours later.
with invoices_as_landed as (
    select
        i ->> 'id' as id,
        i ->> 'customer' as customer_id,
        i ->> 'subscription' as subscription_id,
        i ->> 'number' as number,
        cast(i ->> 'total' as numeric) as total,
        cast(i ->> 'amount_remaining' as numeric) as amount_remaining,
        i ->> 'currency' as currency,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
        to_timestamp(cast(i #>> '{status_transitions,finalized_at}' as double precision)) as finalized_at,
        to_timestamp(cast(i ->> 'due_date' as double precision)) as due_at,
        to_timestamp(cast(i #>> '{status_transitions,paid_at}' as double precision)) as paid_at,
        i ->> 'status' as status,
        cast(null as timestamptz) as updated_at,
        coalesce(cast(i ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as i from invoices as t) as t
    where coalesce(cast(i ->> 'livemode' as boolean), true)
),

-- The same whichever way the tables came.
in_units as (
    select
        *,
        case
            when lower(currency) in (
                'bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'
            ) then 1
            when lower(currency) in ('bhd', 'jod', 'kwd', 'omr', 'tnd') then 1000
            else 100
        end as minor_per_unit
    from invoices_as_landed
)

select
    id,
    customer_id as account_id,
    subscription_id as contract_number,
    number,
    round(total / minor_per_unit, 2) as amount,
    round(case when status = 'open' then amount_remaining else 0 end / minor_per_unit, 2) as amount_open,
    upper(currency) as currency,
    cast(coalesce(finalized_at, created) at time zone 'UTC' as date) as issued_on,
    -- What is charged by itself is due at once.
    cast(coalesce(due_at, finalized_at, created) at time zone 'UTC' as date) as due_on,
    cast(paid_at at time zone 'UTC' as date) as paid_on,
    case when status = 'uncollectible' then 'void' else status end as status,
    created as created_at,
    updated_at,
    is_deleted
from in_units
