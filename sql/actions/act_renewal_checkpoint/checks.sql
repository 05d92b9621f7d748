-- fail: only_open_renewals: A settled renewal would raise an alert.
select a.renewal_id
from marts.act_renewal_checkpoint as a
left join core.renewal as r on r.account_key = a.account_key and r.renewal_id = a.renewal_id and r.outcome = 'open'
where r.renewal_id is null and (cast(:accounts as text[]) is null or a.account_key = any(cast(:accounts as text[])))
