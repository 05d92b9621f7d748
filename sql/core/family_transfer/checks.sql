-- fail: nets_to_zero: The ARR that left one account is not the ARR that reached the other.
select renewal_id from core.family_transfer group by renewal_id having sum(transfer_arr) <> 0
