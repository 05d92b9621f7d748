-- Purpose: every KPI of groups of accounts in one place, one value a row.
-- Grain: metric, version, period and group. Inputs: the tables of sums. Window: periods that end on days [start, end).
-- Caveats: written from sql/metrics by `python -m include.cli metrics write`; edit those files, not this one. All
-- together by day, all groups by closed week, month and quarter. A ratio is the ratio of the sums, and null where there
-- is nothing to divide by; a metric whose entity is not connected, or not read up to the period's end, has no row.
-- Below 20 a share has its Wilson interval.
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
                'accounts_dormant',
                1,
                'amount',
                n_dormant,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'accounts_new',
                1,
                'amount',
                n_new,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'accounts_resurrected',
                1,
                'amount',
                n_resurrected,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'accounts_returning',
                1,
                'amount',
                n_returning,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'active_days_per_user',
                1,
                'ratio',
                n_user_days_28d,
                active_users_28d,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'active_seat_rate',
                1,
                'ratio',
                active_users_with_seats,
                paid_seats_28d,
                null,
                n_with_seats,
                cast(n_with_seats as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'activity_rate',
                1,
                'share',
                n_active,
                n_known,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'breadth',
                1,
                'share',
                n_key_features_used,
                n_key_features,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'dau',
                1,
                'amount',
                cast(n_user_workdays_28d as double precision) / 20,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'depth',
                1,
                'share',
                n_deep_users,
                active_users_28d,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'licence_utilisation',
                1,
                'ratio',
                n_activated_seats,
                n_paid_seats,
                null,
                n_with_seats,
                cast(n_with_seats as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'lifecycle_active_rate',
                1,
                'share',
                n_new + n_returning + n_resurrected,
                n_known - n_never,
                null,
                n_known - n_never,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'mau',
                1,
                'amount',
                active_users_28d,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'new_teams',
                1,
                'amount',
                n_teams_new,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'role_coverage',
                1,
                'share',
                n_roles_active,
                n_roles_known,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'stickiness',
                1,
                'share',
                cast(n_user_workdays_28d as double precision) / 20,
                active_users_28d,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'team_coverage',
                1,
                'ratio',
                n_teams_active,
                n_teams_known,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'time_online',
                1,
                'ratio',
                minutes_28d,
                n_timed_user_days_28d,
                null,
                n_timed,
                cast(n_timed as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'usage_vs_baseline',
                1,
                'ratio',
                usage_compared,
                usage_expected,
                null,
                n_with_baseline,
                cast(n_with_baseline as double precision) / nullif(cast(n_accounts as double precision), 0)
            ),
            (
                'wau',
                1,
                'amount',
                active_users_7d,
                null,
                null,
                n_known,
                cast(n_known as double precision) / nullif(cast(n_accounts as double precision), 0)
            )
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

cohort_period as (
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
    from marts.cohort_period as r
    cross join lateral (
        values
            ('cohort_logo_retention_m12', 1, 'ratio', n_kept_m12, n_0, null, n_0, 1),
            ('cohort_logo_retention_m6', 1, 'ratio', n_kept_m6, n_0, null, n_0, 1),
            ('cohort_retention_m12', 1, 'ratio', kept_arr_m12, kept_arr_0, null, n_0, 1),
            ('cohort_retention_m6', 1, 'ratio', kept_arr_m6, kept_arr_0, null, n_0, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

first_value_period as (
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
    from marts.first_value_period as r
    cross join lateral (
        values
            ('first_value_in_time', 1, 'share', n_in_time, n_judged, null, n_judged, 1),
            ('time_to_first_value', 1, 'median', days_of_reached, n_reached, median_days, n_accounts, 1)
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

operations_period as (
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
    from marts.operations_period as r
    cross join lateral (
        values
            ('alerts_new', 1, 'amount', n_alerts_new, null, null, n_alerts_new, 1),
            ('alerts_open', 1, 'amount', n_alerts_open, null, null, n_alerts_open, 1),
            ('hours_behind', 1, 'amount', hours_behind, null, null, n_rows, 1),
            ('quarantine_rate', 1, 'ratio', n_quarantined, n_rows, null, n_rows, 1),
            ('suppressed_rate', 1, 'share', n_suppressed, n_planned, null, n_planned, 1),
            ('task_delay_days', 1, 'median', task_delay_days, n_tasks_done, median_task_delay_days, n_tasks_done, 1),
            ('task_timeliness', 1, 'share', n_tasks_in_time, n_tasks_due, null, n_tasks_due, 1)
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
            ('committed_churn', 1, 'amount', committed_churn_arr, null, null, n_due, 1),
            (
                'discount_depth',
                1,
                'ratio',
                discount_arr,
                renewed_list_arr,
                null,
                n_with_list,
                cast(n_with_list as double precision) / nullif(cast(n_renewed as double precision), 0)
            ),
            ('early_rate', 1, 'share', early_arr, target_arr, null, n_due, 1),
            ('eventual_rate', 1, 'share', on_time_arr + in_grace_arr + after_grace_arr, target_arr, null, n_due, 1),
            (
                'forecast_accuracy_t30',
                1,
                'ratio',
                actual_t30_arr - error_t30_arr,
                actual_t30_arr,
                null,
                n_forecast_t30,
                1
            ),
            (
                'forecast_accuracy_t90',
                1,
                'ratio',
                actual_t90_arr - error_t90_arr,
                actual_t90_arr,
                null,
                n_forecast_t90,
                1
            ),
            ('gross_renewal_rate', 1, 'share', renewed_of_target_arr, target_arr, null, n_due, 1),
            ('in_grace_rate', 1, 'share', in_grace_arr, target_arr, null, n_due, 1),
            ('in_grace_rate_by_count', 1, 'share', n_in_grace, n_due, null, n_due, 1),
            ('lost_rate', 1, 'share', lost_arr, target_arr, null, n_due, 1),
            ('lost_rate_by_count', 1, 'share', n_lost, n_due, null, n_due, 1),
            ('net_renewal_rate', 1, 'ratio', renewed_arr, target_arr, null, n_due, 1),
            ('on_time_rate', 1, 'share', on_time_arr, target_arr, null, n_due, 1),
            ('on_time_rate_by_count', 1, 'share', n_on_time, n_due, null, n_due, 1),
            ('on_time_rate_frozen', 1, 'share', on_time_frozen_arr, target_frozen_arr, null, n_due_frozen, 1),
            ('on_time_rate_frozen_by_count', 1, 'share', n_on_time_frozen, n_due_frozen, null, n_due_frozen, 1),
            ('open_rate', 1, 'share', open_arr, target_arr, null, n_due, 1),
            ('open_rate_by_count', 1, 'share', n_open, n_due, null, n_due, 1),
            ('renewal_days_late', 1, 'median', days_late, n_renewed, median_days_late, n_renewed, 1),
            ('renewal_forecast', 1, 'amount', forecast_arr, null, null, n_due, 1),
            ('renewal_rate_by_count', 1, 'share', n_renewed, n_due, null, n_due, 1),
            ('renewals_due', 1, 'amount', n_due, null, null, n_due, 1),
            ('renewals_due_arr', 1, 'amount', target_arr, null, null, n_due, 1)
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
            ('bucket_change_arr', 1, 'amount', bucket_change_arr, null, null, n_customers_end, 1),
            ('churn_arr', 1, 'amount', churn_arr, null, null, n_customers_end, 1),
            ('contraction_arr', 1, 'amount', contraction_arr, null, null, n_customers_end, 1),
            ('customers', 1, 'amount', n_customers_end, null, null, n_customers_end, 1),
            ('expanding_accounts_rate', 1, 'share', n_expanded, n_customers_start, null, n_customers_start, 1),
            ('expansion_arr', 1, 'amount', expansion_arr, null, null, n_customers_end, 1),
            (
                'expansion_contracted_rate',
                1,
                'ratio',
                expansion_contracted_arr,
                kept_arr_start,
                null,
                n_customers_start,
                1
            ),
            ('expansion_rate', 1, 'ratio', expansion_of_start_arr, kept_arr_start, null, n_customers_start, 1),
            ('fx_arr', 1, 'amount', fx_arr, null, null, n_customers_end, 1),
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
            ('ltv', 1, 'ratio', margin_per_customer_month, monthly_revenue_churn, null, n_customers_end, 1),
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
            ('new_arr', 1, 'amount', new_arr, null, null, n_customers_end, 1),
            ('nrr', 1, 'ratio', cohort_arr, cohort_arr_12m_ago, null, n_cohort, 1),
            ('overage', 1, 'amount', overage_amount, null, null, n_customers_end, 1),
            ('paused_arr', 1, 'amount', paused_arr, null, null, n_customers_end, 1),
            (
                'quick_ratio',
                1,
                'ratio',
                new_arr + expansion_arr + reactivation_arr,
                contraction_arr + churn_arr,
                null,
                n_customers_end,
                1
            ),
            ('reactivation_arr', 1, 'amount', reactivation_arr, null, null, n_customers_end, 1),
            ('returned_accounts', 1, 'amount', n_cohort_returned, null, null, n_cohort, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

sentiment_period as (
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
    from marts.sentiment_period as r
    cross join lateral (
        values
            ('nps', 1, 'ratio', 100 * (n_promoters - n_detractors), n_nps, null, n_nps, 1),
            ('survey_csat', 1, 'share', n_satisfied, n_csat, null, n_csat, 1)
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
            (
                'agent_wait_minutes',
                1,
                'median',
                agent_wait_minutes,
                n_resolved,
                median_agent_wait_minutes,
                n_resolved,
                1
            ),
            ('backlog', 1, 'amount', n_open, null, null, n_open, 1),
            ('backlog_high', 1, 'amount', n_open_high, null, null, n_open, 1),
            ('backlog_incidents', 1, 'amount', n_open_incidents, null, null, n_open, 1),
            ('backlog_longer', 1, 'amount', n_open_longer, null, null, n_open, 1),
            ('backlog_low', 1, 'amount', n_open_low, null, null, n_open, 1),
            ('backlog_month', 1, 'amount', n_open_month, null, null, n_open, 1),
            ('backlog_normal', 1, 'amount', n_open_normal, null, null, n_open, 1),
            ('backlog_problems', 1, 'amount', n_open_problems, null, null, n_open, 1),
            ('backlog_quarter', 1, 'amount', n_open_quarter, null, null, n_open, 1),
            ('backlog_questions', 1, 'amount', n_open_questions, null, null, n_open, 1),
            ('backlog_tasks', 1, 'amount', n_open_tasks, null, null, n_open, 1),
            ('backlog_week', 1, 'amount', n_open_week, null, null, n_open, 1),
            ('csat', 1, 'share', n_good, n_good + n_bad, null, n_good + n_bad, 1),
            (
                'first_resolution_minutes',
                1,
                'median',
                first_resolution_minutes,
                n_resolved,
                median_first_resolution_minutes,
                n_resolved,
                1
            ),
            (
                'first_response_business_minutes',
                1,
                'median',
                first_reply_business_minutes,
                n_replied_business,
                median_first_reply_business_minutes,
                n_replied_business,
                1
            ),
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
            ('reopen_rate', 1, 'share', n_reopened, n_solved_tickets, null, n_solved_tickets, 1),
            (
                'requester_wait_minutes',
                1,
                'median',
                requester_wait_minutes,
                n_resolved,
                median_requester_wait_minutes,
                n_resolved,
                1
            ),
            ('sla_attainment', 1, 'share', n_kept, n_promised, null, n_promised, 1),
            ('tickets_created', 1, 'amount', n_created, null, null, n_created, 1),
            ('unanswered_rate', 1, 'share', n_unanswered, n_created, null, n_created, 1),
            ('urgent_backlog', 1, 'amount', n_open_urgent, null, null, n_open_urgent, 1),
            ('urgent_late', 1, 'amount', n_open_urgent_late, null, null, n_open_urgent, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

trial_period as (
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
    from marts.trial_period as r
    cross join lateral (
        values
            ('trial_conversion', 1, 'share', n_converted, n_over, null, n_over, 1),
            ('trials_started', 1, 'amount', n_started, null, null, n_started, 1)
    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)
    where r.as_of >= :start and r.as_of < :end
),

everything as (
    select * from activity_period
    union all
    select * from cohort_period
    union all
    select * from first_value_period
    union all
    select * from identity_period
    union all
    select * from operations_period
    union all
    select * from renewal_period
    union all
    select * from retention_period
    union all
    select * from sentiment_period
    union all
    select * from support_period
    union all
    select * from trial_period
),

values_of_metrics as (
    select
        e.*,
        case
            when kind = 'median' then median
            when kind = 'amount' then cast(numerator as double precision)
            else cast(numerator as double precision) / cast(nullif(denominator, 0) as double precision)
        end as worth
    from everything as e
    left join meta.metric_gap as g on g.metric_id = e.metric_id
    where e.numerator is not null
        and e.coverage > 0
        and (g.from_day is null or e.as_of < g.from_day)
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
