-- fail: ages_add_up: The backlog by age does not add up to the backlog.
select period, as_of, grain, grain_key from marts.support_period
where as_of >= :start and as_of < :end
    and n_open_week + n_open_month + n_open_quarter + n_open_longer <> n_open

-- fail: kept_within_promised: More SLA targets were kept than were due.
select period, as_of, grain, grain_key from marts.support_period
where as_of >= :start and as_of < :end and (n_kept > n_promised or n_reopened > n_solved_tickets)
