-- warn: unmatched_id: An id of desk, product or billing system has no CRM account; its data counts nowhere.
select source, source_id
from core.account_bridge
where account_key is null and open_reason <> 'answered: no account'
