-- fail: lifecycle_adds_up: The lifecycle mix does not add up to the accounts with known usage.
select period, as_of, grain, grain_key from marts.activity_period
where as_of >= :start and as_of < :end
    and n_new + n_returning + n_resurrected + n_dormant + n_never <> n_known

-- fail: active_is_active: The accounts active by value events are not those of the lifecycle mix.
select period, as_of, grain, grain_key from marts.activity_period
where as_of >= :start and as_of < :end and n_new + n_returning + n_resurrected <> n_active

-- warn: more_teams_than_known: More teams are active than known; users have changed teams since.
select period, as_of, grain, grain_key from marts.activity_period
where as_of >= :start and as_of < :end and n_teams_active > n_teams_known
