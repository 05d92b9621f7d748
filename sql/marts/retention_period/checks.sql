-- fail: bridge_closes: The bridge of a period does not close to the cent.
select period, as_of, grain, grain_key from marts.retention_period
where as_of >= :start and as_of < :end
    and arr_start + new_arr + reactivation_arr + expansion_arr - contraction_arr - churn_arr + bucket_change_arr
        + fx_arr + transfer_arr
    <> arr_end

-- fail: grr_at_most_one: More is kept of last year's amount than there was.
select period, as_of, grain, grain_key from marts.retention_period
where as_of >= :start and as_of < :end and cohort_least_arr > cohort_arr_12m_ago
