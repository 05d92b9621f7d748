-- fail: bridge_closes: The start, the movements and the buckets do not add up to the end.
select account_key, day from marts.arr_movement
where arr_start + new_arr + reactivation_arr + expansion_arr - contraction_arr - churn_arr + bucket_change_arr
        + fx_arr + transfer_arr
    <> arr_end
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- fail: bridge_chains: A day starts with an ARR other than the previous day's end.
select account_key, day
from (
    select *, coalesce(lag(arr_end) over (partition by account_key order by day), 0) as end_before
    from marts.arr_movement
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
) as m
where arr_start <> end_before

-- fail: reasons_add_up: The reasons of an expansion or contraction do not add up to it.
select account_key, day from marts.arr_movement
where movement in ('expansion', 'contraction') and transfer_arr = 0
    and seats_change_arr + product_change_arr + price_change_arr + discount_change_arr
    <> expansion_arr - contraction_arr
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
