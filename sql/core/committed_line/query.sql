-- Purpose: the lines whose sum is ARR, each with its days.
-- Grain: line. Inputs: contract lines, contract terms. Window: none.
-- Caveat: a line that ends on a due date that was renewed automatically goes on for as long as that chain of terms
-- does, or until the deal that follows it counts.
with lines as (
    select * from core.contract_line
    where status in ('active', 'suspected_deleted', 'deleted')
        and active_from < active_to
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

terms as (
    select * from core.contract_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

chains as (
    select
        account_key,
        contract_key,
        chain_start,
        case
            when is_auto_renewed and next_start is not null
                then greatest(due_date, next_start, next_committed_on)
            else due_date
        end as goes_on_until
    from terms
    where is_last_of_chain
),

renewed_ends as (
    select t.account_key, t.contract_key, t.due_date, c.goes_on_until
    from terms as t
    join chains as c
        on c.account_key = t.account_key and c.contract_key = t.contract_key and c.chain_start = t.chain_start
    where t.is_auto_renewed
)

select
    l.line_key,
    l.account_key,
    l.contract_key,
    l.opportunity_key,
    l.opportunity_type,
    l.product,
    l.quantity,
    l.currency,
    l.arr,
    l.list_arr,
    l.is_evergreen,
    l.term_start,
    l.term_end,
    l.active_from,
    coalesce(r.goes_on_until, l.active_to) as active_to,
    r.goes_on_until is not null as is_auto_renewed,
    case when l.status = 'suspected_deleted' then greatest(l.deleted_on, l.active_from) end as suspected_from,
    case when l.paused_on < coalesce(r.goes_on_until, l.active_to) then greatest(l.paused_on, l.active_from) end
        as paused_from,
    case
        when l.paused_on < coalesce(r.goes_on_until, l.active_to)
            then least(l.resumed_on, coalesce(r.goes_on_until, l.active_to))
    end as paused_to
from lines as l
left join renewed_ends as r
    on r.account_key = l.account_key and r.contract_key = l.contract_key and r.due_date = l.active_to
