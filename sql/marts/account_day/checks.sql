-- fail: kept_is_the_sum: Kept ARR is not the sum of ARR, pending_late and paused.
select account_key, day from marts.account_day
where day >= :start and day < :end
    and kept_arr <> arr + pending_late_arr + coalesce(paused_arr, 0)
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- fail: grr_part_within_bounds: An account's part of GRR is more than its ARR a year before.
select account_key, day from marts.account_day
where day >= :start and day < :end
    and kept_arr_of_12m_ago > kept_arr_12m_ago
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- warn: negative_open_tickets: More tickets were solved than were ever opened; the desk's times contradict each other.
select account_key, day from marts.account_day
where day >= :start and day < :end
    and n_open_tickets < 0
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
