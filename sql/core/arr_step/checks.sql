-- fail: negative_kept: An account's kept ARR is negative; a line or a pending renewal was subtracted twice.
select account_key, from_day from core.arr_step
where kept_arr < 0 and arr >= 0 and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
