-- Purpose: contracts that moved to another account of the family at their renewal.
-- Grain: term and leg. Inputs: continuations, contract terms, renewals. Window: none.
-- Caveat: the transfer is the lower of ended and renewed ARR, on the first day of the new term; the legs of one term
-- add up to zero. A term continued after its grace was lost before, and moves nothing.
with links as (
    select
        account_key,
        term_id,
        next_account_key,
        max(greatest(next_start, committed_on)) as day,
        sum(renewed_arr) as renewed_arr
    from core.continuation
    where next_account_key <> account_key and next_start is not null
    group by account_key, term_id, next_account_key
),

moved as (
    select
        k.account_key,
        k.next_account_key,
        r.renewal_id,
        k.day,
        least(k.renewed_arr, r.target_arr) as transfer_arr
    from links as k
    join core.contract_term as t on t.account_key = k.account_key and t.term_id = k.term_id and t.is_last_of_chain
    join core.renewal as r on r.account_key = t.account_key and r.renewal_id = t.renewal_id
    where r.outcome in ('early', 'on_time', 'in_grace') and k.day <= r.due_date + r.grace_days and r.target_arr > 0
)

select day, renewal_id, account_key, next_account_key as counterpart_key, -transfer_arr as transfer_arr
from moved
union all
select day, renewal_id, next_account_key, account_key, transfer_arr
from moved
