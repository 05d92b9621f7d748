-- Purpose: Stripe's subscriptions, each a deal that was won when it was first paid for.
-- Grain:   one row per subscription.
-- Tables:  as dlt's source `stripe_analytics` lands them (github.com/dlt-hub/verified-sources);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: a trial is open until it is paid for; what was cancelled within it was never won. Of prices with different
--          lengths the shortest counts. A cancellation is a notice on the day on which it was said.
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
