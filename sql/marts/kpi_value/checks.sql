-- fail: shares_within_bounds: A share of a whole is below 0 or above 1.
select metric_id, period, as_of, grain, grain_key from marts.kpi_value
where as_of >= :start and as_of < :end
    and metric_id in (
        'grr', 'logo_churn_rate', 'gross_renewal_rate', 'renewal_rate_by_count', 'on_time_rate', 'in_grace_rate',
        'after_grace_rate', 'lost_rate', 'open_rate', 'eventual_rate', 'activity_rate', 'breadth', 'csat'
    )
    and (value < 0 or value > 1.0000001)
