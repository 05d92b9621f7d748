-- Purpose: Stripe's tables as Fivetran lands them (github.com/fivetran/dbt_stripe, macros/staging), renamed for the
-- queries of this folder. Tables are found through the login's search_path; a missing column is read as empty.
-- Grain: one row per record of Stripe.
-- Caveats: `crm_account_id` lists the metadata names that may contain the CRM's id: change them here. If the connector
-- captures deletes, it flags removed items; otherwise they are gone from the table.
-- Sources: fivetran.com/docs, Stripe and "_fivetran_synced"; mozilla/bigquery-etl pull 6443 (discounts of customers).
with stripe_customers as (
    select
        c ->> 'id' as id,
        coalesce(c ->> 'name', c ->> 'description') as name,
        coalesce(
            cast(c ->> 'metadata' as jsonb) ->> 'crm_account_id',
            cast(c ->> 'metadata' as jsonb) ->> 'hubspot_company_id',
            cast(c ->> 'metadata' as jsonb) ->> 'salesforce_account_id'
        ) as crm_account_id,
        c ->> 'email' as email,
        cast(c ->> 'created' as timestamptz) as created,
        coalesce(cast(c ->> 'livemode' as boolean), true) as is_live,
        coalesce(cast(c ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as c from customer as t) as t
),

stripe_subscriptions as (
    select
        s ->> 'id' as id,
        s ->> 'customer_id' as customer_id,
        s ->> 'status' as status,
        cast(null as text) as currency,
        cast(s ->> 'created' as timestamptz) as created,
        cast(s ->> 'start_date' as timestamptz) as start_date,
        cast(s ->> 'trial_start' as timestamptz) as trial_start,
        cast(s ->> 'trial_end' as timestamptz) as trial_end,
        cast(s ->> 'cancel_at' as timestamptz) as cancel_at,
        cast(s ->> 'cancel_at_period_end' as boolean) as is_cancelled_at_period_end,
        cast(s ->> 'current_period_end' as timestamptz) as current_period_end,
        cast(s ->> 'canceled_at' as timestamptz) as canceled_at,
        cast(s ->> 'ended_at' as timestamptz) as ended_at,
        cast(null as text) as why_cancelled,
        s ->> 'pause_collection_behavior' as unpaid_invoices
    -- An older connector has `subscription` instead.
    from (select to_jsonb(t) as s from subscription_history as t) as t
    where coalesce(cast(s ->> '_fivetran_active' as boolean), true)
        and coalesce(cast(s ->> 'livemode' as boolean), true)
),

stripe_items as (
    select
        i ->> 'id' as id,
        i ->> 'subscription_id' as subscription_id,
        cast(i ->> 'created' as timestamptz) as created,
        case
            when cast(coalesce(i ->> '_fivetran_deleted', i ->> 'is_deleted') as boolean)
                then cast(i ->> '_fivetran_synced' as timestamptz)
        end as removed_at,
        cast(i ->> 'quantity' as numeric) as quantity,
        cast(coalesce(p ->> 'unit_amount_decimal', p ->> 'unit_amount') as numeric) as unit_amount,
        cast(p ->> 'transform_quantity_divide_by' as numeric) as divide_by,
        p ->> 'transform_quantity_round' as rounded,
        p ->> 'currency' as currency,
        p ->> 'recurring_interval' as per,
        cast(p ->> 'recurring_interval_count' as numeric) as n_per,
        p ->> 'recurring_usage_type' as usage_type,
        p ->> 'billing_scheme' as billing_scheme,
        coalesce(d ->> 'name', p ->> 'nickname', p ->> 'product_id') as product
    from (select to_jsonb(t) as i from subscription_item as t) as t
    -- An older connector has `plan` instead.
    left join (select to_jsonb(t) as p from price as t) as p on p ->> 'id' = i ->> 'plan_id'
    left join (select to_jsonb(t) as d from product as t) as d on d ->> 'id' = p ->> 'product_id'
),

-- A newer connector has `discount` instead of both tables.
given_discounts as (
    select d, d ->> 'subscription_id' as subscription_id, null as customer_id
    from (select to_jsonb(t) as d from subscription_discount as t) as t
    where d ->> 'subscription_id' is not null
    union all
    select d, null, d ->> 'customer_id'
    from (select to_jsonb(t) as d from customer_discount as t) as t
    -- Discounts of subscriptions used to be landed as their customer's.
    where d ->> 'subscription_id' is null
),

stripe_discounts as (
    select
        t.subscription_id,
        t.customer_id,
        cast(c ->> 'percent_off' as numeric) as percent_off,
        cast(c ->> 'amount_off' as numeric) as amount_off,
        c ->> 'duration' as duration,
        cast(d ->> 'start' as timestamptz) as starts_at,
        cast(d ->> 'end' as timestamptz) as ends_at
    from given_discounts as t
    join (select to_jsonb(t) as c from coupon as t) as c on c ->> 'id' = d ->> 'coupon_id'
    where coalesce(d ->> 'invoice_id', d ->> 'invoice_item_id', d ->> 'checkout_session_id') is null
),

stripe_invoices as (
    select
        i ->> 'id' as id,
        i ->> 'customer_id' as customer_id,
        i ->> 'subscription_id' as subscription_id,
        i ->> 'number' as number,
        cast(i ->> 'total' as numeric) as total,
        cast(i ->> 'amount_remaining' as numeric) as amount_remaining,
        i ->> 'currency' as currency,
        cast(i ->> 'created' as timestamptz) as created,
        cast(i ->> 'status_transitions_finalized_at' as timestamptz) as finalized_at,
        cast(i ->> 'due_date' as timestamptz) as due_at,
        cast(i ->> 'status_transitions_paid_at' as timestamptz) as paid_at,
        i ->> 'status' as status,
        coalesce(cast(i ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as i from invoice as t) as t
    where coalesce(cast(i ->> 'livemode' as boolean), true)
),

stripe_invoice_lines as (
    select
        l ->> 'subscription_item_id' as item_id,
        cast(l ->> 'amount' as numeric) as amount,
        l ->> 'currency' as currency,
        cast(l ->> 'period_start' as timestamptz) as period_start
    from (select to_jsonb(t) as l from invoice_line_item as t) as t
    where not coalesce(cast(l ->> 'proration' as boolean), false)
)

select * from stripe_items
