-- Purpose: Stripe's tables as dlt's source `stripe_analytics` lands them (github.com/dlt-hub/verified-sources), renamed
-- for the queries of this folder. Tables are found through the login's search_path; a missing column is read as empty.
-- Grain: one row per record of Stripe.
-- Caveats: `crm_account_id` lists the metadata names that may contain the CRM's id: change them here.
with stripe_customers as (
    select
        c ->> 'id' as id,
        coalesce(c ->> 'name', c ->> 'description') as name,
        coalesce(
            c ->> 'metadata__crm_account_id',
            c ->> 'metadata__hubspot_company_id',
            c ->> 'metadata__salesforce_account_id'
        ) as crm_account_id,
        c ->> 'email' as email,
        to_timestamp(cast(c ->> 'created' as double precision)) as created,
        coalesce(cast(c ->> 'livemode' as boolean), true) as is_live,
        coalesce(cast(c ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as c from customer as t) as t
),

stripe_subscriptions as (
    select
        s ->> 'id' as id,
        s ->> 'customer' as customer_id,
        s ->> 'status' as status,
        s ->> 'currency' as currency,
        to_timestamp(cast(s ->> 'created' as double precision)) as created,
        to_timestamp(cast(s ->> 'start_date' as double precision)) as start_date,
        to_timestamp(cast(s ->> 'trial_start' as double precision)) as trial_start,
        to_timestamp(cast(s ->> 'trial_end' as double precision)) as trial_end,
        to_timestamp(cast(s ->> 'cancel_at' as double precision)) as cancel_at,
        cast(s ->> 'cancel_at_period_end' as boolean) as is_cancelled_at_period_end,
        to_timestamp(cast(s ->> 'current_period_end' as double precision)) as current_period_end,
        to_timestamp(cast(s ->> 'canceled_at' as double precision)) as canceled_at,
        to_timestamp(cast(s ->> 'ended_at' as double precision)) as ended_at,
        coalesce(s ->> 'cancellation_details__feedback', s ->> 'cancellation_details__reason') as why_cancelled,
        s ->> 'pause_collection__behavior' as unpaid_invoices
    from (select to_jsonb(t) as s from subscription as t) as t
    where coalesce(cast(s ->> 'livemode' as boolean), true)
),

stripe_items as (
    select
        i ->> 'id' as id,
        s ->> 'id' as subscription_id,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
        cast(null as timestamptz) as removed_at,
        cast(i ->> 'quantity' as numeric) as quantity,
        cast(coalesce(i ->> 'price__unit_amount_decimal', i ->> 'price__unit_amount') as numeric) as unit_amount,
        cast(i ->> 'price__transform_quantity__divide_by' as numeric) as divide_by,
        i ->> 'price__transform_quantity__round' as rounded,
        i ->> 'price__currency' as currency,
        i ->> 'price__recurring__interval' as per,
        cast(i ->> 'price__recurring__interval_count' as numeric) as n_per,
        i ->> 'price__recurring__usage_type' as usage_type,
        i ->> 'price__billing_scheme' as billing_scheme,
        coalesce(d ->> 'name', i ->> 'price__nickname', i ->> 'price__product') as product
    from (select to_jsonb(t) as i from subscription__items__data as t) as t
    join (select to_jsonb(t) as s from subscription as t) as s on s ->> '_dlt_id' = i ->> '_dlt_parent_id'
    left join (select to_jsonb(t) as d from product as t) as d on d ->> 'id' = i ->> 'price__product'
),

given_discounts as (
    select s ->> 'id' as subscription_id, null as customer_id, s as d
    from (select to_jsonb(t) as s from subscription as t) as t
    union all
    select null, c ->> 'id', c
    from (select to_jsonb(t) as c from customer as t) as t
),

stripe_discounts as (
    select
        subscription_id,
        customer_id,
        cast(d ->> 'discount__coupon__percent_off' as numeric) as percent_off,
        cast(d ->> 'discount__coupon__amount_off' as numeric) as amount_off,
        d ->> 'discount__coupon__duration' as duration,
        to_timestamp(cast(d ->> 'discount__start' as double precision)) as starts_at,
        to_timestamp(cast(d ->> 'discount__end' as double precision)) as ends_at
    from given_discounts
    where d ->> 'discount__coupon__id' is not null
),

stripe_invoices as (
    select
        i ->> 'id' as id,
        i ->> 'customer' as customer_id,
        coalesce(i ->> 'subscription', i ->> 'parent__subscription_details__subscription') as subscription_id,
        i ->> 'number' as number,
        cast(i ->> 'total' as numeric) as total,
        cast(i ->> 'amount_remaining' as numeric) as amount_remaining,
        i ->> 'currency' as currency,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
        to_timestamp(cast(i ->> 'status_transitions__finalized_at' as double precision)) as finalized_at,
        to_timestamp(cast(i ->> 'due_date' as double precision)) as due_at,
        to_timestamp(cast(i ->> 'status_transitions__paid_at' as double precision)) as paid_at,
        i ->> 'status' as status,
        coalesce(cast(i ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as i from invoice as t) as t
    where coalesce(cast(i ->> 'livemode' as boolean), true)
),

stripe_invoice_lines as (
    select
        l ->> 'subscription_item' as item_id,
        cast(l ->> 'amount' as numeric) as amount,
        l ->> 'currency' as currency,
        to_timestamp(cast(l ->> 'period__start' as double precision)) as period_start
    from (select to_jsonb(t) as l from invoice__lines__data as t) as t
    where not coalesce(cast(l ->> 'proration' as boolean), false)
)

select * from stripe_items
