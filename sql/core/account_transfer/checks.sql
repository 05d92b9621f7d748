-- fail: transfers_net_to_zero: The ARR that left one account of a merge did not reach the other.
select event_key, sum(transfer_arr) as rest
from core.account_transfer
group by event_key
having sum(transfer_arr) <> 0
