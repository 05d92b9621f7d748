-- Purpose: the lines whose sum is ARR, each with its days.
-- Grain: line. Inputs: contract lines, contract terms, continuations. Window: none.
-- Caveats: a line that ends on an auto-renewed due date counts as long as that chain of terms, or until the deal that
-- continues it counts. A renewal that starts before the old term is over replaces it from that day.
with lines as (
    select *, coalesce(term_end, cast('2100-12-31' as date)) as last_end
    from core.contract_line
    where is_committed
        and active_from < active_to
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

terms as (
    select * from core.contract_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

links as (
    select * from core.continuation
    where next_start is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

agreed as (
    select * from core.agreed_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

own_chains as (
    select
        term_id,
        max(case when is_auto_renewed then 1 else 0 end) as is_auto_renewed,
        max(
            case
                when is_last_of_chain and is_auto_renewed and next_start is not null
                    then greatest(due_date, next_start, next_committed_on)
                else due_date
            end
        ) as counts_until
    from terms
    group by term_id
),

-- A line that ends on the due date of an automatic term lasts as long as that term's chain.
all_chains as (
    select term_id, is_auto_renewed, counts_until from own_chains
    union all
    select t.joined_term_id, c.is_auto_renewed, c.counts_until
    from terms as t
    join own_chains as c on c.term_id = t.term_id
    where t.joined_term_id is not null and t.is_auto_renewed
),

chains as (
    select a.account_key, a.contract_key, a.due_date as lines_end, max(c.counts_until) as counts_until
    from all_chains as c
    join agreed as a on a.term_id = c.term_id
    where c.is_auto_renewed = 1
    group by a.account_key, a.contract_key, a.due_date
),

-- The deals of each continued term, and the day from which a successor replaces a product.
cuts as (
    select
        l.opportunity_key,
        l.product_key,
        l.last_end as due_date,
        min(greatest(k.next_start, k.committed_on)) as cut_from,
        min(k.committed_on) as committed_on,
        max(case when k.method = 'system_changed' then 1 else 0 end) = 1 as is_other_system
    from links as k
    join agreed as a on a.term_id = k.term_id
    join lines as l
        on l.account_key = k.account_key
        and l.contract_key = k.contract_key
        -- An addition to a term ends with it, even if only the term's own line was shortened.
        and (
            l.last_end = coalesce(k.due_date, cast('2100-12-31' as date))
            or (l.is_addition and l.last_end = a.agreed_end)
            or (k.method = 'system_changed' and l.last_end = a.cancelled_from)
        )
        and l.opportunity_key <> k.opportunity_key
        and (k.is_whole_term or k.product = l.product_key or k.product = '' or l.product_key = '')
    group by l.opportunity_key, l.product_key, l.last_end
),

with_end as (
    select
        l.*,
        c.counts_until,
        x.cut_from,
        x.committed_on as replaced_on,
        x.is_other_system
    from lines as l
    left join chains as c
        on c.account_key = l.account_key and c.contract_key = l.contract_key and c.lines_end = l.active_to
    left join cuts as x
        on x.opportunity_key = l.opportunity_key
        and x.product_key = l.product_key
        and x.due_date >= l.last_end
        and x.cut_from < l.last_end + case when x.is_other_system then 8 else 2 end
),

nearest_cut as (
    select *, row_number() over (partition by line_key order by cut_from) as choice
    from with_end
),

-- If the next term starts a day after the old end, people mixed inclusive and exclusive ends. Another
-- billing system that takes over leaves no gap.
ended as (
    select
        *,
        case
            when cut_from < coalesce(counts_until, active_to) then greatest(cut_from, active_from)
            when is_other_system and cut_from > active_to then cut_from
            when counts_until is null and cut_from = active_to + 1 and replaced_on <= active_to then cut_from
            else coalesce(counts_until, active_to)
        end as ends_on
    from nearest_cut
    where choice = 1
)

select
    line_key,
    account_key,
    contract_key,
    opportunity_key,
    opportunity_type,
    way,
    product,
    quantity,
    currency,
    arr,
    list_arr,
    is_evergreen,
    term_start,
    term_end,
    active_from,
    ends_on as active_to,
    counts_until is not null as is_auto_renewed,
    case when status = 'suspected_deleted' then greatest(deleted_on, active_from) end as suspected_from,
    case when paused_on < ends_on then greatest(paused_on, active_from) end as paused_from,
    case when paused_on < ends_on then least(resumed_on, ends_on) end as paused_to
from ended
where active_from < ends_on
