-- Purpose: the yearly price of each item of Stripe's subscriptions.
-- Grain: one row per subscription item. Tables: those of parts/.
-- Caveats: Stripe changes an item in place; each change counts from the read that first sees it. Metered usage is no
-- ARR. A discount lowers the amount while it lasts, unless it applies to one invoice only. Several percentages add up.
-- Sources: docs.stripe.com/api/prices/object (transform_quantity, tiers), /api/discounts/object (end).
with last_invoiced as (
    select
        *,
        row_number() over (partition by item_id order by period_start desc, amount desc) as age
    from stripe_invoice_lines
    where item_id is not null
),

-- Tiers, and a price in another currency than the subscription's, use the amount of the last invoice.
priced as (
    select
        i.*,
        s.created as subscribed_at,
        s.paid_from,
        least(s.ends_at, i.removed_at) as ends_at,
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
    from stripe_items as i
    join subscriptions as s on s.id = i.subscription_id
    left join last_invoiced as n on n.item_id = i.id and n.age = 1
),

-- A fixed discount applies to each invoice of the subscription, and is divided by the items' amounts.
discounted_items as (
    select
        p.*,
        p.minor_units * coalesce(d.share_left, 1)
        - coalesce(
            d.amount_off * p.minor_units
            / nullif(sum(case when p.usage_type = 'metered' or p.removed_at is not null then 0 else p.minor_units end)
                over (partition by p.subscription_id), 0),
            0
        ) as net_minor_units
    from priced as p
    left join active_discounts as d on d.subscription_id = p.subscription_id
),

in_units as (
    select
        i.*,
        coalesce(u.per_unit, 100) as minor_per_unit,
        -- Items added later than the subscription count from then.
        cast(
            case
                when i.created > i.subscribed_at + interval '1 day' then greatest(i.created, i.paid_from)
                else i.paid_from
            end at time zone 'UTC' as date
        ) as term_start,
        cast(i.ends_at at time zone 'UTC' as date) as term_end
    from discounted_items as i
    left join minor_units as u on u.currency = i.billed_in
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
-- A subscription cancelled within its trial was never paid for.
where term_end is null or term_end > term_start
