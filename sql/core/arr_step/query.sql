-- Purpose: ARR and kept ARR for any day, without a row per day.
-- Grain: account and day of change. Inputs: committed lines, renewals, plan rates. Window: none, past and future.
-- Caveats: a paused line is kept up to the maximum pause. Other currencies count at the day's plan rate, and the effect
-- of new rates is separate. kept_arr_next_rates is kept ARR at the rates of a year later, so that rates over twelve
-- months compare like with like. ARR paid another way, such as a subscription that continues after a deal, is not also
-- pending.
with lines as (
    select * from core.committed_line
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

renewals as (
    select * from core.renewal
    where pending_until is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- The way in which each deal holds its contract: that of its lines; a line item is equivalent to the deal's fields.
ways as (
    select opportunity_key, min(case when way = 'line' then 'deal' else way end) as way
    from lines
    group by opportunity_key
),

rates as (
    select
        currency,
        from_day,
        to_day,
        rate,
        lead(from_day) over (partition by currency order by from_day) is not null as is_followed
    from meta.plan_rate
),

-- The same rates a year before they apply.
rates_ahead as (
    select
        r.currency,
        r.rate,
        f.day_12m_ago as from_day,
        case when r.is_followed then t.day_12m_ago else r.to_day end as to_day
    from rates as r
    join meta.calendar as f on f.day = r.from_day
    join meta.calendar as t on t.day = r.to_day
),

-- A line until its pause, the kept part of the pause, and after it.
spans as (
    select
        account_key,
        currency,
        arr,
        active_from as from_day,
        coalesce(paused_from, active_to) as to_day,
        false as is_pause,
        suspected_from,
        active_to
    from lines
    union all
    select
        account_key,
        currency,
        arr,
        paused_from,
        least(coalesce(paused_to, active_to), paused_from + cast(:pause_days as integer)),
        true,
        null,
        active_to
    from lines
    where paused_from is not null
    union all
    select account_key, currency, arr, paused_to, active_to, false, null, active_to
    from lines
    where paused_to < active_to
),

-- Each span split by rate. If a new rate starts within the span, the change is due to the rate.
pieces as (
    select
        s.account_key,
        s.is_pause,
        s.suspected_from,
        greatest(s.from_day, r.from_day) as from_day,
        least(s.to_day, r.to_day) as to_day,
        r.from_day > s.from_day as is_revalued,
        r.is_followed and r.to_day <= s.to_day as is_revalued_after,
        round(s.arr * r.rate, 2) as arr
    from spans as s
    join rates as r on r.currency = s.currency and r.to_day > s.from_day and r.from_day <= s.to_day
    where s.from_day < s.to_day
),

pieces_ahead as (
    select
        s.account_key,
        greatest(s.from_day, r.from_day) as from_day,
        least(s.to_day, r.to_day) as to_day,
        round(s.arr * r.rate, 2) as arr
    from spans as s
    join rates_ahead as r on r.currency = s.currency and r.to_day > s.from_day and r.from_day < s.to_day
    where s.from_day < s.to_day
),

-- ARR that is paid another way while a renewal is pending.
paid_otherwise as (
    select distinct
        l.account_key,
        l.line_key,
        greatest(l.active_from, r.due_date, t.from_day) as from_day,
        least(l.active_to, r.pending_until, t.to_day) as to_day,
        round(l.arr * t.rate, 2) as arr
    from renewals as r
    join ways as w on w.opportunity_key = r.opportunity_key
    join lines as l on l.account_key = r.account_key
    join ways as o on o.opportunity_key = l.opportunity_key and o.way <> w.way
    join rates as t on t.currency = l.currency
    where l.arr > 0
        and greatest(l.active_from, r.due_date, t.from_day) < least(l.active_to, r.pending_until, t.to_day)
),

deltas as (
    select
        account_key,
        from_day as day,
        case when is_pause then 0 else arr end as arr,
        cast(0 as numeric) as pending,
        cast(0 as numeric) as otherwise,
        case when is_pause then arr else 0 end as paused,
        cast(0 as numeric) as suspected,
        case when is_revalued then arr else 0 end as fx,
        cast(0 as numeric) as ahead
    from pieces
    union all
    select
        account_key,
        to_day,
        case when is_pause then 0 else -arr end,
        0,
        0,
        case when is_pause then -arr else 0 end,
        0,
        case when is_revalued_after then -arr else 0 end,
        0
    from pieces
    union all
    select account_key, greatest(suspected_from, from_day), 0, 0, 0, 0, arr, 0, 0
    from pieces
    where suspected_from < to_day
    union all
    select account_key, to_day, 0, 0, 0, 0, -arr, 0, 0 from pieces where suspected_from < to_day
    union all
    select account_key, from_day, 0, 0, 0, 0, 0, 0, arr from pieces_ahead
    union all
    select account_key, to_day, 0, 0, 0, 0, 0, 0, -arr from pieces_ahead
    union all
    select account_key, due_date, 0, pending_arr, 0, 0, 0, 0, 0 from renewals
    union all
    select account_key, pending_until, 0, -pending_arr, 0, 0, 0, 0, 0 from renewals
    union all
    select account_key, from_day, 0, 0, arr, 0, 0, 0, 0 from paid_otherwise
    union all
    select account_key, to_day, 0, 0, -arr, 0, 0, 0, 0 from paid_otherwise
),

daily as (
    select
        account_key,
        day,
        sum(arr) as arr,
        sum(pending) as pending,
        sum(otherwise) as otherwise,
        sum(paused) as paused,
        sum(suspected) as suspected,
        sum(fx) as fx,
        sum(ahead) as ahead
    from deltas
    group by account_key, day
),

running as (
    select
        account_key,
        day as from_day,
        arr <> 0 or pending <> 0 or otherwise <> 0 or paused <> 0 or suspected <> 0 or ahead <> 0 or fx <> 0 as is_step,
        sum(arr) over w as arr,
        greatest(sum(pending) over w - sum(otherwise) over w, 0) as pending_late_arr,
        sum(paused) over w as paused_arr,
        sum(suspected) over w as suspected_deleted_arr,
        fx as fx_arr,
        sum(ahead) over w as kept_arr_next_rates
    from daily
    window w as (partition by account_key order by day rows unbounded preceding)
)

select
    account_key,
    from_day,
    cast(arr as numeric(18, 2)) as arr,
    cast(pending_late_arr as numeric(18, 2)) as pending_late_arr,
    cast(suspected_deleted_arr as numeric(18, 2)) as suspected_deleted_arr,
    cast(arr + pending_late_arr + paused_arr as numeric(18, 2)) as kept_arr,
    cast(paused_arr as numeric(18, 2)) as paused_arr,
    cast(fx_arr as numeric(18, 2)) as fx_arr,
    cast(kept_arr_next_rates + pending_late_arr as numeric(18, 2)) as kept_arr_next_rates
from running
where is_step
