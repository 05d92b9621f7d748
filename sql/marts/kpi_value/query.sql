-- Purpose: every KPI of groups of accounts in one place, one value a row.
-- Grain: metric, period and group. Inputs: the sums of retention, renewals, activity and support.
-- Window: periods that end on days [start, end). Caveats: all together by day, all groups by closed week, month and
-- quarter. A ratio is the ratio of the sums, and null where there is nothing to divide by; a metric whose source is not
-- connected has no row. Medians are values of their own, with the sum and the count beside them.
with retention as (
    select * from marts.retention_period where as_of >= :start and as_of < :end
),

renewal as (
    select * from marts.renewal_period where as_of >= :start and as_of < :end
),

activity as (
    select * from marts.activity_period where as_of >= :start and as_of < :end and n_known > 0
),

support as (
    select * from marts.support_period where as_of >= :start and as_of < :end
),

metrics as (
    select * from (
        values
            ('arr', 'retention', false),
            ('mrr', 'retention', false),
            ('kept_arr', 'retention', false),
            ('customers', 'retention', false),
            ('nrr', 'retention', true),
            ('grr', 'retention', true),
            ('logo_churn_rate', 'retention', true),
            ('gross_revenue_churn', 'retention', true),
            ('net_revenue_churn', 'retention', true),
            ('expansion_rate', 'retention', true),
            ('expanding_accounts_rate', 'retention', true),
            ('quick_ratio', 'retention', true),
            ('gross_renewal_rate', 'renewal', true),
            ('net_renewal_rate', 'renewal', true),
            ('renewal_rate_by_count', 'renewal', true),
            ('auto_renewal_rate_by_count', 'renewal', true),
            ('on_time_rate', 'renewal', true),
            ('in_grace_rate', 'renewal', true),
            ('after_grace_rate', 'renewal', true),
            ('eventual_rate', 'renewal', true),
            ('lost_rate', 'renewal', true),
            ('open_rate', 'renewal', true),
            ('on_time_rate_by_count', 'renewal', true),
            ('activity_rate', 'activity', true),
            ('active_seat_rate', 'activity', true),
            ('licence_utilisation', 'activity', true),
            ('breadth', 'activity', true),
            ('active_days_per_user', 'activity', true),
            ('backlog', 'support', false),
            ('urgent_backlog', 'support', false),
            ('tickets_created', 'support', false),
            ('csat', 'support', true),
            ('unanswered_rate', 'support', true)
    ) as listed (metric_id, family, is_ratio)
),

retention_values as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        case m.metric_id
            when 'arr' then arr_end
            when 'mrr' then arr_end / 12
            when 'kept_arr' then kept_arr_end
            when 'customers' then n_customers_end
            when 'nrr' then cohort_arr
            when 'grr' then cohort_least_arr
            when 'logo_churn_rate' then n_lost
            when 'gross_revenue_churn' then churn_arr + contraction_arr
            when 'net_revenue_churn' then churn_arr + contraction_arr - expansion_arr
            when 'expansion_rate' then expansion_of_start_arr
            when 'expanding_accounts_rate' then n_expanded
            when 'quick_ratio' then new_arr + expansion_arr + reactivation_arr
        end as numerator,
        case m.metric_id
            when 'nrr' then cohort_arr_12m_ago
            when 'grr' then cohort_arr_12m_ago
            when 'logo_churn_rate' then n_customers_start
            when 'gross_revenue_churn' then kept_arr_start
            when 'net_revenue_churn' then kept_arr_start
            when 'expansion_rate' then kept_arr_start
            when 'expanding_accounts_rate' then n_customers_start
            when 'quick_ratio' then contraction_arr + churn_arr
        end as denominator,
        case m.metric_id
            when 'nrr' then n_cohort
            when 'grr' then n_cohort
            when 'logo_churn_rate' then n_customers_start
            when 'gross_revenue_churn' then n_customers_start
            when 'net_revenue_churn' then n_customers_start
            when 'expansion_rate' then n_customers_start
            when 'expanding_accounts_rate' then n_customers_start
            else n_customers_end
        end as n,
        cast(1 as double precision) as coverage
    from retention as r
    join metrics as m on m.family = 'retention'
),

renewal_values as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        case m.metric_id
            when 'gross_renewal_rate' then renewed_of_target_arr
            when 'net_renewal_rate' then renewed_arr
            when 'renewal_rate_by_count' then n_renewed
            when 'auto_renewal_rate_by_count' then n_auto
            when 'on_time_rate' then on_time_arr
            when 'in_grace_rate' then in_grace_arr
            when 'after_grace_rate' then after_grace_arr
            when 'eventual_rate' then on_time_arr + in_grace_arr + after_grace_arr
            when 'lost_rate' then lost_arr
            when 'open_rate' then open_arr
            when 'on_time_rate_by_count' then n_on_time
        end as numerator,
        case m.metric_id
            when 'gross_renewal_rate' then target_arr
            when 'net_renewal_rate' then target_arr
            when 'renewal_rate_by_count' then n_due
            when 'auto_renewal_rate_by_count' then n_due
            when 'on_time_rate' then target_arr
            when 'in_grace_rate' then target_arr
            when 'after_grace_rate' then target_arr
            when 'eventual_rate' then target_arr
            when 'lost_rate' then target_arr
            when 'open_rate' then target_arr
            when 'on_time_rate_by_count' then n_due
        end as denominator,
        n_due as n,
        cast(1 as double precision) as coverage
    from renewal as r
    join metrics as m on m.family = 'renewal'
),

activity_values as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        case m.metric_id
            when 'activity_rate' then n_active
            when 'active_seat_rate' then active_users_with_seats
            when 'licence_utilisation' then n_activated_seats
            when 'breadth' then n_key_features_used
            when 'active_days_per_user' then n_user_days_28d
        end as numerator,
        case m.metric_id
            when 'activity_rate' then n_known
            when 'active_seat_rate' then paid_seats_28d
            when 'licence_utilisation' then n_paid_seats
            when 'breadth' then n_key_features
            when 'active_days_per_user' then active_users_28d
        end as denominator,
        case m.metric_id
            when 'active_seat_rate' then n_with_seats
            when 'licence_utilisation' then n_with_seats
            else n_known
        end as n,
        cast(case when m.metric_id in ('active_seat_rate', 'licence_utilisation') then n_with_seats else n_known end
            as double precision) / n_accounts as coverage
    from activity as r
    join metrics as m on m.family = 'activity'
),

support_values as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        case m.metric_id
            when 'backlog' then n_open
            when 'urgent_backlog' then n_open_urgent
            when 'tickets_created' then n_created
            when 'csat' then n_good
            when 'unanswered_rate' then n_unanswered
        end as numerator,
        case m.metric_id
            when 'csat' then n_good + n_bad
            when 'unanswered_rate' then n_created
        end as denominator,
        case m.metric_id
            when 'backlog' then n_open
            when 'urgent_backlog' then n_open_urgent
            when 'csat' then n_good + n_bad
            else n_created
        end as n,
        cast(1 as double precision) as coverage
    from support as r
    join metrics as m on m.family = 'support'
),

medians as (
    select
        period,
        period_start,
        as_of,
        grain,
        grain_key,
        'first_response_minutes' as metric_id,
        median_first_reply_minutes as value,
        cast(first_reply_minutes as numeric) as numerator,
        n_replied as n
    from support
    where n_replied > 0
    union all
    select
        period,
        period_start,
        as_of,
        grain,
        grain_key,
        'full_resolution_minutes',
        median_full_resolution_minutes,
        full_resolution_minutes,
        n_resolved
    from support
    where n_resolved > 0
),

everything as (
    select * from retention_values
    union all
    select * from renewal_values
    union all
    select * from activity_values
    union all
    select * from support_values
)

select
    e.metric_id,
    1 as metric_version,
    e.period,
    e.period_start,
    e.as_of,
    e.grain,
    e.grain_key,
    case
        when m.is_ratio then cast(e.numerator as double precision) / cast(nullif(e.denominator, 0) as double precision)
        else cast(e.numerator as double precision)
    end as value,
    round(e.numerator, 2) as numerator,
    round(e.denominator, 2) as denominator,
    cast(e.n as bigint) as n,
    e.coverage
from everything as e
join metrics as m on m.metric_id = e.metric_id
union all
select
    metric_id,
    1,
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    value,
    numerator,
    cast(n as numeric),
    n,
    cast(1 as double precision)
from medians
