-- Purpose: Stripe's subscriptions, each a deal that was won at its first payment.
-- Grain: one row per subscription.
-- Tables: those of parts/.
-- Caveats: a trial is open until it is paid for. A subscription cancelled within its trial, or before a payment
-- succeeded, was never won. Of prices with different lengths the shortest counts. A cancellation is a notice on the day
-- on which it was given. A pause counts from the read that first sees it.
with dated as (
    select
        *,
        status = 'incomplete' or (status = 'paused' and not is_stopped)
        or (status = 'trialing' and first_trial_end is not null)
        or (status in ('past_due', 'unpaid') and is_never_paid) as is_open,
        (status in ('active', 'past_due', 'unpaid', 'canceled') or is_stopped
            or (status = 'trialing' and first_trial_end is null))
        and coalesce(ended_at > paid_from, true) and not is_never_paid as is_won
    from subscriptions
),

terms as (
    select
        subscription_id,
        min(coalesce(n_per, 1) * case per when 'year' then 12 when 'month' then 1 else 0 end) as months
    from stripe_items
    where coalesce(usage_type, 'licensed') <> 'metered' and removed_at is null
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
    -- Shorter than a year: evergreen, without a renewal reminder.
    case when t.months >= 12 then t.months end as term_months,
    d.is_won as is_auto_renew,
    -- docs.stripe.com/billing/subscriptions/pause-payment: it stays `active`. Drafts are collected later, so no pause.
    d.is_won and (d.is_stopped or coalesce(d.unpaid_invoices in ('void', 'mark_uncollectible'), false)) as is_paused,
    case when d.is_won then cast(d.canceled_at at time zone 'UTC' as date) end as notice_given_on,
    d.why_cancelled as lost_reason,
    d.created as created_at,
    cast(null as timestamptz) as updated_at
from dated as d
left join terms as t on t.subscription_id = d.id
