-- fail: start_is_the_end_before: A month starts with an ARR other than the previous month's end.
select m.account_key, m.as_of from marts.account_month as m
join marts.account_month as b on b.account_key = m.account_key and b.as_of = m.month_start - 1
where m.as_of >= :start and m.as_of < :end
    and m.arr_start <> b.arr_end
    and (cast(:accounts as text[]) is null or m.account_key = any(cast(:accounts as text[])))
