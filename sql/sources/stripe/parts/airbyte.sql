-- Purpose: Stripe's tables as Airbyte lands them (github.com/airbytehq/airbyte, source-stripe/erd/source.dbml), renamed
-- for the queries of this folder. Tables are found through the login's search_path; a missing column is read as empty.
-- Grain: one row per record of Stripe.
-- Caveats: `crm_account_id` lists the metadata names that may contain the CRM's id: change them here.
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
        to_timestamp(cast(c ->> 'created' as double precision)) as created,
        coalesce(cast(c ->> 'livemode' as boolean), true) as is_live,
        coalesce(cast(c ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as c from customers as t) as t
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
        coalesce(s #>> '{cancellation_details,feedback}', s #>> '{cancellation_details,reason}') as why_cancelled,
        s #>> '{pause_collection,behavior}' as unpaid_invoices
    from (select to_jsonb(t) as s from subscriptions as t) as t
    where coalesce(cast(s ->> 'livemode' as boolean), true)
),

stripe_items as (
    select
        i ->> 'id' as id,
        s ->> 'id' as subscription_id,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
        cast(null as timestamptz) as removed_at,
        cast(i ->> 'quantity' as numeric) as quantity,
        cast(coalesce(p ->> 'unit_amount_decimal', p ->> 'unit_amount') as numeric) as unit_amount,
        cast(p #>> '{transform_quantity,divide_by}' as numeric) as divide_by,
        p #>> '{transform_quantity,round}' as rounded,
        p ->> 'currency' as currency,
        p #>> '{recurring,interval}' as per,
        cast(p #>> '{recurring,interval_count}' as numeric) as n_per,
        p #>> '{recurring,usage_type}' as usage_type,
        p ->> 'billing_scheme' as billing_scheme,
        coalesce(d ->> 'name', p ->> 'nickname', p ->> 'product') as product
    from (select to_jsonb(t) as s from subscriptions as t) as t
    -- The stream subscription_items keeps removed items; these are the subscription's current ones.
    cross join lateral (
        select value as i, value -> 'price' as p from jsonb_array_elements(t.s #> '{items,data}') as e (value)
    ) as e
    left join (select to_jsonb(t) as d from products as t) as d on d ->> 'id' = p ->> 'product'
),

-- An older API version has one `discount`, a newer a list of `discounts`; where that holds ids alone, none is known.
given_discounts as (
    select s ->> 'id' as subscription_id, null as customer_id, d
    from (select to_jsonb(t) as s from subscriptions as t) as t
    cross join lateral (
        select value as d from jsonb_array_elements(
            case
                when jsonb_typeof(t.s -> 'discount') = 'object' then jsonb_build_array(t.s -> 'discount')
                when jsonb_typeof(t.s -> 'discounts') = 'array' then t.s -> 'discounts'
                else '[]'
            end
        ) as e (value)
    ) as l
    union all
    select null, c ->> 'id', nullif(c -> 'discount', 'null')
    from (select to_jsonb(t) as c from customers as t) as t
),

stripe_discounts as (
    select
        subscription_id,
        customer_id,
        cast(d #>> '{coupon,percent_off}' as numeric) as percent_off,
        cast(d #>> '{coupon,amount_off}' as numeric) as amount_off,
        d #>> '{coupon,duration}' as duration,
        to_timestamp(cast(d ->> 'start' as double precision)) as starts_at,
        to_timestamp(cast(d ->> 'end' as double precision)) as ends_at
    from given_discounts
    where jsonb_typeof(d -> 'coupon') = 'object'
),

stripe_invoices as (
    select
        i ->> 'id' as id,
        i ->> 'customer' as customer_id,
        coalesce(i ->> 'subscription', i #>> '{parent,subscription_details,subscription}') as subscription_id,
        i ->> 'number' as number,
        cast(i ->> 'total' as numeric) as total,
        cast(i ->> 'amount_remaining' as numeric) as amount_remaining,
        i ->> 'currency' as currency,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
        to_timestamp(cast(i #>> '{status_transitions,finalized_at}' as double precision)) as finalized_at,
        to_timestamp(cast(i ->> 'due_date' as double precision)) as due_at,
        to_timestamp(cast(i #>> '{status_transitions,paid_at}' as double precision)) as paid_at,
        i ->> 'status' as status,
        coalesce(cast(i ->> 'is_deleted' as boolean), false) as is_deleted
    from (select to_jsonb(t) as i from invoices as t) as t
    where coalesce(cast(i ->> 'livemode' as boolean), true)
),

stripe_invoice_lines as (
    select
        l ->> 'subscription_item' as item_id,
        cast(l ->> 'amount' as numeric) as amount,
        l ->> 'currency' as currency,
        to_timestamp(cast(l #>> '{period,start}' as double precision)) as period_start
    from (select to_jsonb(t) as n from invoices as t) as t
    cross join lateral (select value as l from jsonb_array_elements(t.n #> '{lines,data}') as e (value)) as e
    where not coalesce(cast(l ->> 'proration' as boolean), false)
)

select * from stripe_items
