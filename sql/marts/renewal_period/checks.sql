-- fail: five_parts: The five components do not add up to the renewals due, by target or by count.
select period, as_of, grain, grain_key from marts.renewal_period
where as_of >= :start and as_of < :end
    and (
        on_time_arr + in_grace_arr + after_grace_arr + lost_arr + open_arr <> target_arr
        or n_on_time + n_in_grace + n_after_grace + n_lost + n_open <> n_due
    )

-- fail: gross_at_most_one: The renewed part of the targets exceeds the targets.
select period, as_of, grain, grain_key from marts.renewal_period
where as_of >= :start and as_of < :end and renewed_of_target_arr > target_arr

-- fail: frozen_within_due: More was on time when the period closed than was due.
select period, as_of, grain, grain_key from marts.renewal_period
where as_of >= :start and as_of < :end and on_time_frozen_arr > target_frozen_arr
