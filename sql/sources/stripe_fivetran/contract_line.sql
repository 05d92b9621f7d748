-- Purpose: what each item of Stripe's subscriptions costs a year.
-- Grain:   one row per subscription item.
-- Tables:  as Fivetran lands them (github.com/fivetran/dbt_stripe, macros/staging);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: an item is changed in place; each change counts from the read that sees it. Metered use is no ARR. A
--          discount lowers the amount while it lasts, unless it is of one invoice alone. Several percentages add up.
-- Sources: docs.stripe.com/currencies (units; ISK, HUF, TWD and UGX are written with two decimals), /api/prices/object
--          (transform_quantity, tiers), /api/discounts/object and /api/coupons/object (duration, end).
with stripe_subscriptions as (
    select
        s ->> 'id' as id,
        s ->> 'customer_id' as customer_id,
        s ->> 'status' as status,
        cast(null as text) as currency,
        cast(s ->> 'created' as timestamptz) as created,
        cast(s ->> 'start_date' as timestamptz) as start_date,
        -- A trial that is given to what runs postpones the next invoice; what was paid before was paid.
        case
            when cast(s ->> 'trial_start' as timestamptz) <= cast(s ->> 'start_date' as timestamptz) + interval '1 day'
                then cast(s ->> 'trial_end' as timestamptz)
        end as trial_end,
        coalesce(
            cast(s ->> 'cancel_at' as timestamptz),
            case
                when cast(s ->> 'cancel_at_period_end' as boolean)
                    then cast(s ->> 'current_period_end' as timestamptz)
            end
        ) as cancel_at,
        cast(s ->> 'canceled_at' as timestamptz) as canceled_at,
        cast(s ->> 'ended_at' as timestamptz) as ended_at,
        cast(null as text) as why_cancelled
    -- An older connector has `subscription` instead.
    from (select to_jsonb(t) as s from subscription_history as t) as t
    where coalesce(cast(s ->> '_fivetran_active' as boolean), true)
        and coalesce(cast(s ->> 'livemode' as boolean), true)
),

items as (
    select
        i ->> 'id' as id,
        i ->> 'subscription_id' as subscription_id,
        cast(i ->> 'created' as timestamptz) as created,
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
    where not coalesce(cast(i ->> '_fivetran_deleted' as boolean), false)
),

discounts as (
    select
        d ->> 'subscription_id' as subscription_id,
        cast(c ->> 'percent_off' as numeric) as percent_off,
        cast(c ->> 'amount_off' as numeric) as amount_off,
        c ->> 'duration' as duration,
        cast(d ->> 'end' as timestamptz) as ends_at
    -- A newer connector has `discount` instead.
    from (select to_jsonb(t) as d from subscription_discount as t) as t
    join (select to_jsonb(t) as c from coupon as t) as c on c ->> 'id' = d ->> 'coupon_id'
),

invoice_lines as (
    select
        l ->> 'subscription_item_id' as item_id,
        cast(l ->> 'amount' as numeric) as amount,
        l ->> 'currency' as currency,
        cast(l ->> 'period_start' as timestamptz) as period_start
    from (select to_jsonb(t) as l from invoice_line_item as t) as t
    where not coalesce(cast(l ->> 'proration' as boolean), false)
),

-- The same whichever way the tables came.
active_discounts as (
    select
        subscription_id,
        greatest(1 - sum(coalesce(percent_off, 0)) / 100, 0) as share_left,
        sum(coalesce(amount_off, 0)) as amount_off
    from discounts
    where duration <> 'once' and (ends_at is null or ends_at > current_timestamp)
    group by subscription_id
),

last_invoiced as (
    select
        *,
        row_number() over (partition by item_id order by period_start desc, amount desc) as age
    from invoice_lines
    where item_id is not null
),

-- Tiers, and a price in another currency than the subscription's, are what the last invoice says.
priced as (
    select
        i.*,
        s.created as subscribed_at,
        greatest(s.start_date, s.trial_end) as paid_from,
        coalesce(s.ended_at, s.cancel_at) as ends_at,
        lower(coalesce(s.currency, i.currency)) as billed_in,
        case
            when i.billing_scheme = 'tiered' or s.currency <> i.currency then n.amount
            when i.divide_by is null then i.unit_amount * coalesce(i.quantity, 1)
            when i.rounded = 'up' then i.unit_amount * ceil(coalesce(i.quantity, 1) / i.divide_by)
            else i.unit_amount * floor(coalesce(i.quantity, 1) / i.divide_by)
        end as minor_units,
        case i.per
            when 'year' then 1
            when 'month' then 12
            when 'week' then 365 / 7.0
            when 'day' then 365
        end / coalesce(i.n_per, 1) as times_a_year
    from items as i
    join stripe_subscriptions as s on s.id = i.subscription_id
    left join last_invoiced as n on n.item_id = i.id and n.age = 1
),

-- An amount off is off each invoice of the subscription, and shared by what its items cost.
discounted_items as (
    select
        p.*,
        p.minor_units * coalesce(d.share_left, 1)
        - coalesce(
            d.amount_off * p.minor_units
            / nullif(sum(case when p.usage_type = 'metered' then 0 else p.minor_units end)
                over (partition by p.subscription_id), 0),
            0
        ) as net_minor_units
    from priced as p
    left join active_discounts as d on d.subscription_id = p.subscription_id
),

in_units as (
    select
        *,
        case
            when lower(billed_in) in (
                'bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'
            ) then 1
            when lower(billed_in) in ('bhd', 'jod', 'kwd', 'omr', 'tnd') then 1000
            else 100
        end as minor_per_unit,
        -- What came later than the subscription counts from then.
        cast(
            case when created > subscribed_at + interval '1 day' then greatest(created, paid_from) else paid_from end
            at time zone 'UTC' as date
        ) as term_start,
        cast(ends_at at time zone 'UTC' as date) as term_end
    from discounted_items
)

select
    id,
    subscription_id as opportunity_id,
    product,
    quantity,
    round(greatest(net_minor_units, 0) / minor_per_unit * times_a_year, 2) as amount,
    round(minor_units / minor_per_unit * times_a_year, 2) as list_amount,
    upper(billed_in) as currency,
    coalesce(usage_type, 'licensed') <> 'metered' as is_recurring,
    true as is_evergreen,
    term_start,
    term_end,
    created as created_at,
    cast(null as timestamptz) as updated_at
from in_units
-- What was cancelled within its trial was never paid for.
where term_end is null or term_end > term_start
