-- Purpose: the probability and expected amount of each renewal of this quarter and the next three.
-- Grain: renewal. Inputs: renewals due, their contracts, health on the day, checkpoints of settled renewals, settings.
-- Window: none; as of today. Caveats: p = (k + 20 x configured) / (n + 20), k renewed of n settled within 730 days with
-- the same category and band at the same distance from their decision, by the knowledge of that time. Beyond 180 days
-- the record of 91 to 180 days counts, after the decision date that of 30. Open ones of past quarters stay here. Of
-- several terms of a contract in a quarter only the last one.
with today as (
    select quarter_start from meta.calendar where day = :newest
),

renewals as (
    select account_key, renewal_id, is_auto_renew, notice_given_on from core.renewal
),

days as (
    select account_key, day, computed, last_band, unknown_reason
    from marts.account_health
    where day = :newest or day = cast(:newest as date) - 28
),

pulses as (
    select account_key, pulse
    from marts.health_input
    where day = :newest and pulse_on > cast(:newest as date) - 90
),

settled as (
    select
        account_key,
        renewal_id,
        tier,
        case when part = 'lost' then 0 else 1 end as is_renewed,
        case when part <> 'lost' then renewed_of_target_arr / target_arr end as renewed_share
    from marts.renewal_due
    where part <> 'open'
        and settled_on <= :newest
        and settled_on > cast(:newest as date) - 730
),

-- The state of each settled renewal before its decision; several equal checkpoints count once.
records as (
    select distinct
        f.account_key,
        f.renewal_id,
        case when r.is_auto_renew then 'auto_renew' else f.forecast_category end as category,
        case when f.unknown_reason = '' then f.band end as band,
        case when f.days_before <= 30 then '0-30' when f.days_before <= 90 then '31-90' else '91-180' end as horizon,
        s.is_renewed
    from marts.health_checkpoint as f
    join settled as s on s.account_key = f.account_key and s.renewal_id = f.renewal_id
    join renewals as r on r.account_key = f.account_key and r.renewal_id = f.renewal_id
    where r.notice_given_on is null or r.notice_given_on > f.as_of
),

by_category_and_band as (
    select category, band, horizon, sum(is_renewed) as k, count(*) as n
    from records
    where category is not null and band is not null
    group by category, band, horizon
),

by_category as (
    select category, horizon, sum(is_renewed) as k, count(*) as n
    from (select distinct account_key, renewal_id, category, horizon, is_renewed from records) as d
    where category is not null
    group by category, horizon
),

by_horizon as (
    select horizon, sum(is_renewed) as k, count(*) as n
    from (select distinct account_key, renewal_id, horizon, is_renewed from records) as d
    group by horizon
),

-- The band alone, shrunk to all renewals of its horizon: stored for comparison with the other methods.
by_band as (
    select b.band, b.horizon, (b.k + 20.0 * h.k / h.n) / (b.n + 20) as p
    from (
        select band, horizon, sum(is_renewed) as k, count(*) as n
        from (select distinct account_key, renewal_id, band, horizon, is_renewed from records) as d
        where band is not null
        group by band, horizon
    ) as b
    join by_horizon as h on h.horizon = b.horizon
),

-- The renewed share of the target: per tier, shrunk to that of all tiers, which is shrunk to 1.
share_of_all as (
    select (coalesce(sum(renewed_share), 0) + 20) / (count(renewed_share) + 20) as share from settled
),

share_of_tier as (
    select
        coalesce(s.tier, '') as tier,
        (coalesce(sum(s.renewed_share), 0) + 20 * max(a.share)) / (count(s.renewed_share) + 20) as share
    from settled as s
    cross join share_of_all as a
    group by coalesce(s.tier, '')
),

lines as (
    select
        d.*,
        c.quarter_start,
        d.decision_date - cast(:newest as date) as days_to_decision,
        case
            when d.part = 'lost' then 'lost'
            when d.part <> 'open' then 'won'
            when d.forecast_category = 'committed_churn' then 'committed_churn'
            when r.is_auto_renew then 'auto_renew'
            else 'open'
        end as line_class,
        case when d.part = 'open' then d.target_arr else coalesce(d.renewed_of_target_arr, 0) end as amount_arr,
        case when h.unknown_reason = '' then coalesce(h.last_band, 'unknown') else 'unknown' end as band,
        h.computed as score,
        b.computed as score_28d_ago,
        p.pulse
    from marts.renewal_due as d
    join renewals as r on r.account_key = d.account_key and r.renewal_id = d.renewal_id
    join meta.calendar as c on c.day = d.due_date
    cross join today as t
    left join days as h on h.account_key = d.account_key and h.day = :newest
    left join days as b on b.account_key = d.account_key and b.day = cast(:newest as date) - 28
    left join pulses as p on p.account_key = d.account_key
    where (d.part = 'open' or d.due_date >= t.quarter_start)
        and c.day_12m_ago < t.quarter_start
        -- The ARR of a contract by the month is renewed three times in a quarter, and there once. The target stays that
        -- of the last term, as the probability and the frozen lines are: what a customer gave up a month before is in
        -- the rates, and with the first term's target an expansion in between would look like a loss of what is open.
        and not exists (
            select 1
            from marts.renewal_due as n
            join meta.calendar as m on m.day = n.due_date
            where n.account_key = d.account_key
                and n.contract_number = d.contract_number
                and n.term_start >= d.due_date
                and n.due_date > d.due_date
                and m.quarter_start = c.quarter_start
        )
),

sorted as (
    select
        *,
        case when line_class = 'auto_renew' then 'auto_renew' else forecast_category end as category,
        case when line_class = 'auto_renew' then :auto_renew_probability else probability end as configured,
        case when days_to_decision <= 30 then '0-30' when days_to_decision <= 90 then '31-90' else '91-180' end
            as horizon
    from lines
),

counted as (
    select
        s.*,
        case when s.line_class in ('open', 'auto_renew') then coalesce(x.k, y.k, 0) end as k,
        case when s.line_class in ('open', 'auto_renew') then coalesce(x.n, y.n, 0) end as n,
        case when s.line_class in ('open', 'auto_renew') then v.p end as band_p,
        case when s.line_class in ('open', 'auto_renew') then coalesce(z.share, a.share) else 1 end as renewed_share
    from sorted as s
    left join by_category_and_band as x
        on x.category = s.category and x.band = s.band and x.horizon = s.horizon
    left join by_category as y on y.category = s.category and y.horizon = s.horizon and s.band = 'unknown'
    left join by_band as v on v.band = s.band and v.horizon = s.horizon
    left join share_of_tier as z on z.tier = coalesce(s.tier, '')
    cross join share_of_all as a
),

judged as (
    select
        *,
        case
            when line_class = 'won' then 1
            when line_class in ('lost', 'committed_churn') then 0
            else (k + 20.0 * configured) / (n + 20)
        end as p
    from counted
)

select
    cast(:newest as date) as as_of,
    renewal_id,
    account_key,
    contract_number,
    quarter_start,
    due_date,
    decision_date,
    cast(days_to_decision as integer) as days_to_decision,
    closed_on,
    owner_key,
    tier,
    line_class,
    category,
    band,
    horizon,
    cast(k as integer) as n_renewed,
    cast(n as integer) as n_settled,
    cast(configured as double precision) as configured_probability,
    cast(band_p as double precision) as band_probability,
    cast(p as double precision) as probability,
    target_arr,
    cast(amount_arr as numeric(18, 2)) as amount_arr,
    cast(amount_arr * cast(p as double precision) as numeric(18, 2)) as expected_arr,
    cast(renewed_share as double precision) as renewed_share,
    score,
    score_28d_ago,
    cast(pulse as integer) as pulse,
    cast(:currency as text) as currency
from judged
