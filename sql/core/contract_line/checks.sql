-- warn: line_in_error: A recurring line of a won deal does not count because its data is wrong; correct it in the CRM.
select line_key, status from core.contract_line
where status like 'error%' and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- warn: negative_line: A recurring line has a negative amount and lowers ARR.
select line_key, amount from core.contract_line
where status = 'active' and amount < 0
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
