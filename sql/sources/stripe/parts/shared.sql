-- Purpose: shared decisions of several queries of this folder: when a subscription starts and ends, its discounts of
-- today, and the units of its amounts.
-- Grain: one row per subscription; per subscription with a discount; per currency.
-- Caveat: a subscription cancelled within its trial, or whose first payment after it failed, was never paid for.
-- Sources: docs.stripe.com/currencies (units; ISK, HUF, TWD and UGX are written with two decimals), /api/coupons/object
-- (duration), /billing/coupons (a subscription's discount replaces its customer's).
with paying as (
    select
        subscription_id,
        max(case when status = 'paid' and total > 0 then 1 else 0 end) = 1 as is_ever_paid,
        max(case when status = 'paid' and total > 0 then 1 else 0 end) = 0
        and max(case when status in ('open', 'uncollectible', 'void') and total > 0 then 1 else 0 end) = 1
            as is_never_paid
    from stripe_invoices
    where subscription_id is not null and not is_deleted
    group by subscription_id
),

trials as (
    select
        *,
        -- A trial on a running subscription postpones the next invoice; earlier payments stay paid.
        case when trial_start <= start_date + interval '1 day' then trial_end end as first_trial_end
    from stripe_subscriptions
),

-- A coupon of 100% at the start counts as a trial.
given_away as (
    select s.id as subscription_id, max(d.ends_at) as free_until
    from trials as s
    join stripe_discounts as d on d.subscription_id = s.id or d.customer_id = s.customer_id
    where d.percent_off >= 100 and d.duration = 'repeating' and d.ends_at <= current_timestamp
        and d.starts_at <= greatest(s.start_date, s.first_trial_end) + interval '1 day'
    group by s.id
),

subscriptions as (
    select
        s.*,
        greatest(s.start_date, s.first_trial_end, g.free_until) as paid_from,
        coalesce(
            s.ended_at,
            case when s.status in ('canceled', 'incomplete_expired') then s.canceled_at end,
            s.cancel_at,
            case when s.is_cancelled_at_period_end then s.current_period_end end
        ) as ends_at,
        coalesce(s.first_trial_end is not null and p.is_never_paid, false) as is_never_paid,
        -- `paused` is also what a trial becomes that ends without a means to pay.
        s.status = 'paused' and (s.first_trial_end is null or coalesce(p.is_ever_paid, false)) as is_stopped
    from trials as s
    left join paying as p on p.subscription_id = s.id
    left join given_away as g on g.subscription_id = s.id
),

active_discounts as (
    select
        subscription_id,
        greatest(1 - sum(coalesce(percent_off, 0)) / 100, 0) as share_left,
        sum(coalesce(amount_off, 0)) as amount_off
    from (
        select
            s.id as subscription_id,
            d.percent_off,
            d.amount_off,
            d.subscription_id is null and max(d.subscription_id) over (partition by s.id) is not null as is_replaced
        from subscriptions as s
        join stripe_discounts as d on d.subscription_id = s.id or d.customer_id = s.customer_id
        where d.duration <> 'once' and (d.ends_at is null or d.ends_at > current_timestamp)
    ) as d
    where not is_replaced
    group by subscription_id
),

-- Currencies that do not use hundredths.
minor_units as (
    select v.currency, v.per_unit
    from (
        values
        ('bif', 1), ('clp', 1), ('djf', 1), ('gnf', 1), ('jpy', 1), ('kmf', 1), ('krw', 1), ('mga', 1), ('pyg', 1),
        ('rwf', 1), ('vnd', 1), ('vuv', 1), ('xaf', 1), ('xof', 1), ('xpf', 1),
        ('bhd', 1000), ('jod', 1000), ('kwd', 1000), ('omr', 1000), ('tnd', 1000)
    ) as v (currency, per_unit)
)

select * from subscriptions
