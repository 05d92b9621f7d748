-- warn: unmatched_id: A desk organisation, product account or billing customer names no CRM account; its tickets, usage or contracts count nowhere.
select source, source_id
from core.account_bridge
where account_key is null and open_because <> 'answered: no account'
