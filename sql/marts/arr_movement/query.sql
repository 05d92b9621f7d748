-- Purpose: why ARR changed from the day before. Summed over days it is the bridge of any period.
-- Grain: account and day. Inputs: ARR steps, committed lines, renewals, accounts. Window: none; as of today.
-- Caveats: movements are those of kept ARR, so a late renewal within the grace is none. Changes within a day are net.
-- The effect of new plan rates is separate, and a pause within its limit moves ARR between buckets. A contract renewed
-- on another account of its family is a transfer. Reasons compare each product before and after.
with steps as (
    select
        s.*,
        coalesce(lag(s.arr) over w, 0) as arr_start,
        coalesce(lag(s.pending_late_arr + s.paused_arr) over w, 0) as buckets_start,
        coalesce(lag(s.kept_arr) over w, 0) as kept_start,
        coalesce(
            max(case when s.kept_arr > 0 then 1 else 0 end) over (
                partition by s.account_key order by s.from_day rows between unbounded preceding and 1 preceding
            ),
            0
        ) = 1 as was_customer,
        max(case when s.kept_arr = 0 then s.from_day end) over (
            partition by s.account_key order by s.from_day rows between unbounded preceding and 1 preceding
        ) as left_on
    from core.arr_step as s
    join core.account as a on a.account_key = s.account_key
    where not a.is_excluded
        and (cast(:accounts as text[]) is null or s.account_key = any(cast(:accounts as text[])))
    window w as (partition by s.account_key order by s.from_day)
),

transfers as (
    select account_key, day, sum(transfer_arr) as transfer_arr
    from core.family_transfer
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key, day
),

pending as (
    select account_key, contract_key, due_date, pending_until
    from core.renewal
    where pending_until is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Lines as long as they are kept: a pending late renewal prolongs the ended line.
lines as (
    select
        l.account_key,
        l.contract_key,
        l.opportunity_key,
        coalesce(l.product, 'unknown') as product,
        coalesce(l.quantity, 0) as quantity,
        l.arr,
        coalesce(l.list_arr, l.arr) as list_arr,
        l.currency,
        l.active_from,
        -- Each price of an evergreen line is a separate line; later prices were not agreed with the deal.
        l.is_evergreen and l.active_from > min(l.active_from) over (
            partition by l.opportunity_key, split_part(l.line_key, '@', 1)
        ) as is_new_price,
        l.is_evergreen,
        coalesce(p.pending_until, l.active_to) as kept_to,
        case when l.paused_from + cast(:pause_days as integer) < coalesce(l.paused_to, l.active_to)
            then l.paused_from + cast(:pause_days as integer) end as given_up_on,
        l.paused_to,
        l.active_to,
        min(l.active_from) over (partition by l.opportunity_key) as deal_from
    from core.committed_line as l
    left join pending as p
        on p.account_key = l.account_key and p.contract_key = l.contract_key and p.due_date = l.active_to
        and l.term_end <= l.active_to
    where (cast(:accounts as text[]) is null or l.account_key = any(cast(:accounts as text[])))
),

-- A pause beyond its limit ends kept ARR, until the line resumes.
all_edges as (
    select account_key, contract_key, product, currency, active_from as day, quantity, arr, list_arr from lines
    union all
    select account_key, contract_key, product, currency, given_up_on, -quantity, -arr, -list_arr
    from lines
    where given_up_on is not null
    union all
    select account_key, contract_key, product, currency, paused_to, quantity, arr, list_arr
    from lines
    where given_up_on is not null and paused_to < active_to
    union all
    select account_key, contract_key, product, currency, kept_to, -quantity, -arr, -list_arr
    from lines
    where given_up_on is null or paused_to < active_to
),

edges as (
    select e.*, round(e.arr * r.rate, 2) as worth
    from all_edges as e
    join meta.plan_rate as r on r.currency = e.currency and e.day >= r.from_day
        and (e.day < r.to_day or r.to_day = cast('2100-12-31' as date))
),

by_product as (
    select
        account_key,
        product,
        day,
        sum(quantity) as quantity,
        sum(arr) as arr,
        sum(list_arr) as list_arr,
        sum(worth) as worth
    from edges
    group by account_key, product, day
),

product_totals as (
    select
        account_key,
        day,
        worth as change,
        arr as own_change,
        quantity as quantity_change,
        list_arr as list_change,
        sum(arr) over (partition by account_key, product order by day rows unbounded preceding) as arr_after
    from by_product
),

continued as (
    select distinct account_key, contract_key, opportunity_key, greatest(next_start, committed_on) as day
    from core.continuation
    where next_start is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

reasons as (
    select
        account_key,
        day,
        sum(case when is_whole then change else 0 end) as product_change,
        sum(case when not is_whole and quantity_change <> 0 then change else 0 end) as seats_change,
        sum(case when not is_whole and quantity_change = 0 and list_change <> 0 then change else 0 end) as price_change,
        sum(case when not is_whole and quantity_change = 0 and list_change = 0 then change else 0 end)
            as discount_change
    from (select *, arr_after = 0 or arr_after = own_change as is_whole from product_totals) as p
    group by account_key, day
),

by_contract as (
    select account_key, contract_key, day, sum(arr) as arr, sum(worth) as worth
    from edges
    group by account_key, contract_key, day
),

contract_totals as (
    select
        account_key,
        contract_key,
        day,
        worth as change,
        sum(arr) over (partition by account_key, contract_key order by day rows unbounded preceding) as arr_after
    from by_contract
),

-- A contract that a deal with another number continues is not lost.
lost_contracts as (
    select t.account_key, t.day, -sum(t.change) as lost_arr
    from contract_totals as t
    where t.arr_after = 0 and t.change < 0
        and not exists (
            select 1 from continued as k
            where k.account_key = t.account_key and k.contract_key = t.contract_key and k.day = t.day
        )
    group by t.account_key, t.day
),

ends_of_deals as (
    select distinct opportunity_key, kept_to as day from lines
),

-- A step that the deal itself agreed: one of its lines that starts after its first. A line that continues another
-- deal's term on that day only renews it, even if another line of the deal started before.
contracted_steps as (
    select account_key, day, sum(arr) as contracted_arr
    from (
        select l.account_key, l.active_from as day, l.arr
        from lines as l
        left join ends_of_deals as o on o.opportunity_key = l.opportunity_key and o.day = l.active_from
        left join (select distinct account_key, opportunity_key, day from continued) as c
            on c.account_key = l.account_key and c.opportunity_key = l.opportunity_key and c.day = l.active_from
        where l.active_from > l.deal_from
            and not l.is_new_price
            and (o.day is not null or c.day is null)
        union all
        select l.account_key, l.kept_to, -l.arr
        from lines as l
        where not l.is_evergreen and exists (
            select 1 from lines as n
            where n.opportunity_key = l.opportunity_key and n.active_from = l.kept_to and n.active_from > n.deal_from
        )
    ) as agreed
    group by account_key, day
),

changes as (
    select
        s.*,
        coalesce(t.transfer_arr, 0) as transfer_arr,
        s.kept_arr - s.kept_start - s.fx_arr - coalesce(t.transfer_arr, 0) as kept_change
    from steps as s
    left join transfers as t on t.account_key = s.account_key and t.day = s.from_day
    where s.from_day <= :newest
        and (s.arr <> s.arr_start or s.pending_late_arr + s.paused_arr <> s.buckets_start or s.fx_arr <> 0)
),

judged as (
    select
        *,
        case
            when kept_change = 0 and transfer_arr <> 0 then 'transfer'
            when kept_change = 0 and fx_arr <> 0 then 'rates'
            when kept_change = 0 then 'bucket'
            when transfer_arr <> 0 and kept_change > 0 then 'expansion'
            when transfer_arr <> 0 then 'contraction'
            when kept_start <= 0 and not was_customer then 'new'
            when kept_start <= 0 then 'reactivation'
            when kept_arr <= 0 then 'churn'
            when kept_change > 0 then 'expansion'
            else 'contraction'
        end as movement
    from changes
)

select
    j.account_key,
    j.from_day as day,
    j.movement,
    j.arr_start,
    cast(case when j.movement = 'new' then j.kept_change else 0 end as numeric(18, 2)) as new_arr,
    cast(case when j.movement = 'reactivation' then j.kept_change else 0 end as numeric(18, 2)) as reactivation_arr,
    cast(case when j.movement = 'expansion' then j.kept_change else 0 end as numeric(18, 2)) as expansion_arr,
    cast(case when j.movement = 'contraction' then -j.kept_change else 0 end as numeric(18, 2)) as contraction_arr,
    cast(case when j.movement = 'churn' then -j.kept_change else 0 end as numeric(18, 2)) as churn_arr,
    cast(j.buckets_start - j.pending_late_arr - j.paused_arr as numeric(18, 2)) as bucket_change_arr,
    j.fx_arr,
    cast(j.transfer_arr as numeric(18, 2)) as transfer_arr,
    j.arr as arr_end,
    j.kept_start as kept_arr_start,
    j.kept_arr as kept_arr_end,
    cast(case when j.movement = 'reactivation' then j.from_day - j.left_on end as integer) as gap_days,
    cast(
        case
            when j.movement = 'expansion' then greatest(least(j.kept_change, coalesce(c.contracted_arr, 0)), 0)
            else 0
        end
        as numeric(18, 2)
    ) as expansion_contracted_arr,
    cast(
        case when j.movement = 'contraction' then least(-j.kept_change, coalesce(l.lost_arr, 0)) else 0 end
        as numeric(18, 2)
    ) as partial_churn_arr,
    cast(coalesce(r.seats_change, 0) as numeric(18, 2)) as seats_change_arr,
    cast(coalesce(r.product_change, 0) as numeric(18, 2)) as product_change_arr,
    cast(coalesce(r.price_change, 0) as numeric(18, 2)) as price_change_arr,
    cast(coalesce(r.discount_change, 0) as numeric(18, 2)) as discount_change_arr
from judged as j
left join reasons as r
    on r.account_key = j.account_key and r.day = j.from_day and j.movement in ('expansion', 'contraction')
left join lost_contracts as l on l.account_key = j.account_key and l.day = j.from_day
left join contracted_steps as c on c.account_key = j.account_key and c.day = j.from_day
