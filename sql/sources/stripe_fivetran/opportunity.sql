-- Purpose: Stripe's subscriptions, each a deal that was won when it was first paid for.
-- Grain:   one row per subscription.
-- Tables:  as Fivetran lands them (github.com/fivetran/dbt_stripe, macros/staging);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: a trial is open until it is paid for; what was cancelled within it was never won. Of prices with different
--          lengths the shortest counts. A cancellation is a notice on the day on which it was said.
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

-- The same whichever way the tables came.
dated as (
    select
        *,
        greatest(start_date, trial_end) as paid_from,
        status in ('incomplete', 'paused') or (status = 'trialing' and trial_end is not null) as is_open,
        (status in ('active', 'past_due', 'unpaid', 'canceled') or (status = 'trialing' and trial_end is null))
        and coalesce(ended_at > greatest(start_date, trial_end), true) as is_won
    from stripe_subscriptions
),

terms as (
    select
        subscription_id,
        min(coalesce(n_per, 1) * case per when 'year' then 12 when 'month' then 1 else 0 end) as months
    from items
    where coalesce(usage_type, 'licensed') <> 'metered'
    group by subscription_id
)

select
    d.id,
    d.customer_id as account_id,
    d.id as name,
    'subscription' as pipeline,
    d.status as stage,
    not d.is_open as is_closed,
    d.is_won,
    'new' as opportunity_type,
    d.id as contract_number,
    upper(d.currency) as currency,
    cast(
        coalesce(case when d.is_won or d.is_open then d.paid_from end, d.ended_at, d.created) at time zone 'UTC' as date
    ) as close_date,
    -- Shorter than a year it runs until it is cancelled, without a renewal to be reminded of.
    case when t.months >= 12 then t.months end as term_months,
    d.is_won as is_auto_renew,
    case when d.is_won then cast(d.canceled_at at time zone 'UTC' as date) end as notice_given_on,
    d.why_cancelled as lost_reason,
    d.created as created_at,
    cast(null as timestamptz) as updated_at
from dated as d
left join terms as t on t.subscription_id = d.id
