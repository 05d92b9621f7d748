-- Purpose: every KPI of groups of accounts in one place, one value a row.
-- Grain: metric, version, period and group. Inputs: the tables of sums. Window: periods that end on days [start, end).
-- Caveats: written from sql/metrics by `python -m include.cli metrics write`; edit those files, not this one. All
-- together by day, all groups by closed week, month and quarter. A ratio is the ratio of the sums, and null where there
-- is nothing to divide by; a metric whose entity is not connected has no row. Below 20 a share has its Wilson interval.
with activity_period as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        m.metric_version,
        m.kind,
        cast(m.numerator as numeric) as numerator,
        cast(m.denominator as numeric) as denominator,
        cast(m.median as double precision) as median,
        cast(m.n as bigint) as n,
        cast(m.coverage as double precision) as coverage
    from marts.activity_period as r
    cross join lateral (
        values
            (
                'active_days_per_user',
                1,
                'ratio',
                n_user_days_28d,
                active_users_28d,
                null,
                n_known,
                cast(n_known as double precision) / cast(n_accounts as double precision)
            ),
            (
                'active_seat_rate',
                1,
                'ratio',
                active_users_with_seats,
                paid_seats_28d,
                null,
                n_with_seats,
                cast(n_with_seats as double precision) / cast(n_accounts as double precision)
            ),
            (
                'activity_rate',
                1,
                'share',
                n_active,
                n_known,
                null,
                n_known,
                cast(n_known as double precision) / cast(n_accounts as double precision)
            ),
            (
                'breadth',
                1,
                'share',
                n_key_features_used,
                n_key_features,
                null,
                n_known,
                cast(n_known as double precision) / cast(n_accounts as double precision)
            ),
            (
                'licence_utilisation',
                1,
                'ratio',
                n_activated_seats,
                n_paid_seats,
                null,
                n_with_seats,
                cast(n_with_seats as double precision) / cast(n_accounts as double precision)
            )
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

identity_period as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        m.metric_version,
        m.kind,
        cast(m.numerator as numeric) as numerator,
        cast(m.denominator as numeric) as denominator,
        cast(m.median as double precision) as median,
        cast(m.n as bigint) as n,
        cast(m.coverage as double precision) as coverage
    from marts.identity_period as r
    cross join lateral (
        values
            (
                'unmatched_organization_rate',
                1,
                'share',
                n_unmatched_organizations,
                n_organizations,
                null,
                n_organizations,
                1
            ),
            (
                'unmatched_product_account_rate',
                1,
                'share',
                n_unmatched_product_accounts,
                n_product_accounts,
                null,
                n_product_accounts,
                1
            ),
            (
                'unmatched_rate',
                1,
                'share',
                n_unmatched_organizations + n_unmatched_product_accounts,
                n_organizations + n_product_accounts,
                null,
                n_organizations + n_product_accounts,
                1
            )
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

renewal_period as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        m.metric_version,
        m.kind,
        cast(m.numerator as numeric) as numerator,
        cast(m.denominator as numeric) as denominator,
        cast(m.median as double precision) as median,
        cast(m.n as bigint) as n,
        cast(m.coverage as double precision) as coverage
    from marts.renewal_period as r
    cross join lateral (
        values
            ('after_grace_rate', 1, 'share', after_grace_arr, target_arr, null, n_due, 1),
            ('after_grace_rate_by_count', 1, 'share', n_after_grace, n_due, null, n_due, 1),
            ('auto_renewal_rate_by_count', 1, 'share', n_auto, n_due, null, n_due, 1),
            ('eventual_rate', 1, 'share', on_time_arr + in_grace_arr + after_grace_arr, target_arr, null, n_due, 1),
            ('gross_renewal_rate', 1, 'share', renewed_of_target_arr, target_arr, null, n_due, 1),
            ('in_grace_rate', 1, 'share', in_grace_arr, target_arr, null, n_due, 1),
            ('in_grace_rate_by_count', 1, 'share', n_in_grace, n_due, null, n_due, 1),
            ('lost_rate', 1, 'share', lost_arr, target_arr, null, n_due, 1),
            ('lost_rate_by_count', 1, 'share', n_lost, n_due, null, n_due, 1),
            ('net_renewal_rate', 1, 'ratio', renewed_arr, target_arr, null, n_due, 1),
            ('on_time_rate', 1, 'share', on_time_arr, target_arr, null, n_due, 1),
            ('on_time_rate_by_count', 1, 'share', n_on_time, n_due, null, n_due, 1),
            ('open_rate', 1, 'share', open_arr, target_arr, null, n_due, 1),
            ('open_rate_by_count', 1, 'share', n_open, n_due, null, n_due, 1),
            ('renewal_rate_by_count', 1, 'share', n_renewed, n_due, null, n_due, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

retention_period as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        m.metric_version,
        m.kind,
        cast(m.numerator as numeric) as numerator,
        cast(m.denominator as numeric) as denominator,
        cast(m.median as double precision) as median,
        cast(m.n as bigint) as n,
        cast(m.coverage as double precision) as coverage
    from marts.retention_period as r
    cross join lateral (
        values
            ('arr', 1, 'amount', arr_end, null, null, n_customers_end, 1),
            ('customers', 1, 'amount', n_customers_end, null, null, n_customers_end, 1),
            ('expanding_accounts_rate', 1, 'share', n_expanded, n_customers_start, null, n_customers_start, 1),
            ('expansion_rate', 1, 'ratio', expansion_of_start_arr, kept_arr_start, null, n_customers_start, 1),
            (
                'gross_revenue_churn',
                1,
                'ratio',
                churn_arr + contraction_arr,
                kept_arr_start,
                null,
                n_customers_start,
                1
            ),
            ('grr', 1, 'share', cohort_least_arr, cohort_arr_12m_ago, null, n_cohort, 1),
            ('kept_arr', 1, 'amount', kept_arr_end, null, null, n_customers_end, 1),
            ('logo_churn_rate', 1, 'share', n_lost, n_customers_start, null, n_customers_start, 1),
            ('mrr', 1, 'amount', cast(arr_end as double precision) / 12, null, null, n_customers_end, 1),
            (
                'net_revenue_churn',
                1,
                'ratio',
                churn_arr + contraction_arr - expansion_arr,
                kept_arr_start,
                null,
                n_customers_start,
                1
            ),
            ('nrr', 1, 'ratio', cohort_arr, cohort_arr_12m_ago, null, n_cohort, 1),
            (
                'quick_ratio',
                1,
                'ratio',
                new_arr + expansion_arr + reactivation_arr,
                contraction_arr + churn_arr,
                null,
                n_customers_end,
                1
            )
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

support_period as (
    select
        r.period,
        r.period_start,
        r.as_of,
        r.grain,
        r.grain_key,
        m.metric_id,
        m.metric_version,
        m.kind,
        cast(m.numerator as numeric) as numerator,
        cast(m.denominator as numeric) as denominator,
        cast(m.median as double precision) as median,
        cast(m.n as bigint) as n,
        cast(m.coverage as double precision) as coverage
    from marts.support_period as r
    cross join lateral (
        values
            ('backlog', 1, 'amount', n_open, null, null, n_open, 1),
            ('csat', 1, 'share', n_good, n_good + n_bad, null, n_good + n_bad, 1),
            (
                'first_response_minutes',
                1,
                'median',
                first_reply_minutes,
                n_replied,
                median_first_reply_minutes,
                n_replied,
                1
            ),
            (
                'full_resolution_minutes',
                1,
                'median',
                full_resolution_minutes,
                n_resolved,
                median_full_resolution_minutes,
                n_resolved,
                1
            ),
            ('tickets_created', 1, 'amount', n_created, null, null, n_created, 1),
            ('unanswered_rate', 1, 'share', n_unanswered, n_created, null, n_created, 1),
            ('urgent_backlog', 1, 'amount', n_open_urgent, null, null, n_open_urgent, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

everything as (
    select * from activity_period
    union all
    select * from identity_period
    union all
    select * from renewal_period
    union all
    select * from retention_period
    union all
    select * from support_period
),

values_of_metrics as (
    select
        *,
        case
            when kind = 'median' then median
            when kind = 'amount' then cast(numerator as double precision)
            else cast(numerator as double precision) / cast(nullif(denominator, 0) as double precision)
        end as worth
    from everything
    where numerator is not null and coverage > 0
)

select
    metric_id,
    metric_version,
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    worth as value,
    round(numerator, 2) as numerator,
    round(denominator, 2) as denominator,
    n,
    coverage,
    case
        when kind = 'share' and n between 1 and 19 and worth between 0 and 1
            then (worth + 1.9208 / n - 1.96 * sqrt(worth * (1 - worth) / n + 0.9604 / n / n)) / (1 + 3.8416 / n)
    end as low,
    case
        when kind = 'share' and n between 1 and 19 and worth between 0 and 1
            then (worth + 1.9208 / n + 1.96 * sqrt(worth * (1 - worth) / n + 0.9604 / n / n)) / (1 + 3.8416 / n)
    end as high
from values_of_metrics
