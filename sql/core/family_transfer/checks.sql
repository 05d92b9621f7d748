-- fail: nets_to_zero: What left one account is not what reached the other.
select renewal_id from core.family_transfer group by renewal_id having sum(transfer_arr) <> 0
