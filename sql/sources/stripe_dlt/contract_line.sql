-- Purpose: what each item of Stripe's subscriptions costs a year.
-- Grain:   one row per subscription item.
-- Tables:  as dlt's source `stripe_analytics` lands them (github.com/dlt-hub/verified-sources);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: an item is changed in place; each change counts from the read that sees it. Metered use is no ARR. A
--          discount lowers the amount while it lasts, unless it is of one invoice alone. Several percentages add up.
-- Sources: docs.stripe.com/currencies (units; ISK, HUF, TWD and UGX are written with two decimals), /api/prices/object
--          (transform_quantity, tiers), /api/discounts/object and /api/coupons/object (duration, end).
with stripe_subscriptions as (
    select
        s ->> 'id' as id,
        s ->> 'customer' as customer_id,
        s ->> 'status' as status,
        s ->> 'currency' as currency,
        to_timestamp(cast(s ->> 'created' as double precision)) as created,
        to_timestamp(cast(s ->> 'start_date' as double precision)) as start_date,
        -- A trial that is given to what runs postpones the next invoice; what was paid before was paid.
        case
            when cast(s ->> 'trial_start' as double precision) <= cast(s ->> 'start_date' as double precision) + 86400
                then to_timestamp(cast(s ->> 'trial_end' as double precision))
        end as trial_end,
        coalesce(
            to_timestamp(cast(s ->> 'cancel_at' as double precision)),
            case
                when cast(s ->> 'cancel_at_period_end' as boolean)
                    then to_timestamp(cast(s ->> 'current_period_end' as double precision))
            end
        ) as cancel_at,
        to_timestamp(cast(s ->> 'canceled_at' as double precision)) as canceled_at,
        to_timestamp(cast(s ->> 'ended_at' as double precision)) as ended_at,
        coalesce(s ->> 'cancellation_details__feedback', s ->> 'cancellation_details__reason') as why_cancelled
    from (select to_jsonb(t) as s from subscription as t) as t
    where coalesce(cast(s ->> 'livemode' as boolean), true)
),

items as (
    select
        i ->> 'id' as id,
        s ->> 'id' as subscription_id,
        to_timestamp(cast(i ->> 'created' as double precision)) as created,
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

discounted as (
    -- A discount of the subscription counts instead of one of the customer.
    select
        s ->> 'id' as subscription_id,
        case when s ->> 'discount__coupon__id' is not null then s else c end as d
    from (select to_jsonb(t) as s from subscription as t) as t
    left join (select to_jsonb(t) as c from customer as t) as c on c ->> 'id' = s ->> 'customer'
),

discounts as (
    select
        subscription_id,
        cast(d ->> 'discount__coupon__percent_off' as numeric) as percent_off,
        cast(d ->> 'discount__coupon__amount_off' as numeric) as amount_off,
        d ->> 'discount__coupon__duration' as duration,
        to_timestamp(cast(d ->> 'discount__end' as double precision)) as ends_at
    from discounted
    where d ->> 'discount__coupon__id' is not null
),

invoice_lines as (
    select
        l ->> 'subscription_item' as item_id,
        cast(l ->> 'amount' as numeric) as amount,
        l ->> 'currency' as currency,
        to_timestamp(cast(l ->> 'period__start' as double precision)) as period_start
    from (select to_jsonb(t) as l from invoice__lines__data as t) as t
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
