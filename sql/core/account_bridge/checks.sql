-- warn: unmatched_id: A desk organisation or product account names no CRM account; its tickets or usage count nowhere.
select source, source_id
from core.account_bridge
where account_key is null and open_because <> 'answered: no account'
