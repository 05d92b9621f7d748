-- fail: five_parts: The five components of a renewal do not add up to its target.
select renewal_id from marts.renewal_due
where on_time_arr + in_grace_arr + after_grace_arr + lost_arr + open_arr <> target_arr
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
