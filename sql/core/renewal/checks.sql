-- fail: known_outcome: A renewal has an outcome that no rate counts.
select renewal_id, outcome from core.renewal
where outcome not in ('auto', 'early', 'on_time', 'in_grace', 'after_grace', 'lost', 'open', 'restarted')
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- warn: target_not_positive: A term ends without committed ARR; it is in no rate until its lines are corrected.
select renewal_id from core.renewal
where target_arr <= 0 and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))

-- warn: contract_in_two_accounts: Two accounts use the same contract number; its renewals are counted in each.
select contract_key from core.renewal
where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
group by contract_key
having min(account_key) <> max(account_key)
