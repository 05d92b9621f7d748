-- Purpose: the terms that deals agreed, one for each day on which lines of a contract end.
-- Grain: contract and end. Inputs: contract lines, opportunities, accounts, days of grace. Window: none.
-- Caveats: if the same deal has a follow-on line from the day a line ends, that is a contracted step and not an end. An
-- evergreen contract has one row without an end; if its deal has a length, it is due after each. A term is named after
-- its deal and the number of its end there, so that a corrected date, number or link keeps the name.
with lines as (
    select * from core.contract_line
    where is_committed
        and (is_evergreen or active_to = term_end)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

opportunities as (
    select * from core.opportunity
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

accounts as (
    select * from core.account
),

grace as (
    select * from meta.grace_days
),

-- A contracted step: the deal's next line starts that day, for the same product or a new one.
stepped as (
    select distinct l.line_key
    from lines as l
    join lines as n
        on n.opportunity_key = l.opportunity_key
        and n.term_start = l.term_end
        and (n.term_end > l.term_end or n.is_evergreen)
        and n.arr > 0
    where not l.is_evergreen
        and (
            n.product_key = l.product_key
            or not exists (
                select 1 from lines as m
                where m.opportunity_key = l.opportunity_key
                    and m.term_end = l.term_end
                    and m.product_key = n.product_key
            )
        )
),

ending as (
    select
        l.*,
        l.is_addition or l.opportunity_type = 'expansion' as is_added,
        case when l.is_evergreen then cast('2100-12-31' as date) else l.term_end end as due_day
    from lines as l
    left join stepped as s on s.line_key = l.line_key
    where s.line_key is null
),

ends_of_deals as (
    select
        opportunity_key,
        contract_key,
        due_day,
        cast(row_number() over (partition by opportunity_key order by min(line_key)) as integer) as end_no
    from ending
    group by opportunity_key, contract_key, due_day
),

-- The deal that created a term. A later addition counts only if there is no other.
makers as (
    select
        *,
        row_number() over (
            partition by account_key, contract_key, due_day
            order by
                case when arr <= 0 then 1 else 0 end,
                case when is_added then 1 else 0 end,
                committed_on,
                line_key
        ) as choice,
        max(case when not is_added then 1 else 0 end)
            over (partition by account_key, contract_key, due_day) as has_base
    from ending
),

-- The term starts with its largest line, before any steps of its deal.
weightiest as (
    select
        account_key,
        contract_key,
        due_day,
        opportunity_key,
        product_key,
        row_number() over (
            partition by account_key, contract_key, due_day
            order by case when is_added then 1 else 0 end, arr desc, line_key
        ) as choice
    from ending
),

starts as (
    select w.account_key, w.contract_key, w.due_day, min(l.term_start) as term_start
    from weightiest as w
    join lines as l
        on l.opportunity_key = w.opportunity_key
        and l.product_key = w.product_key
        and l.term_start < w.due_day
        and (l.is_evergreen or l.term_end <= w.due_day)
    where w.choice = 1
    group by w.account_key, w.contract_key, w.due_day
),

terms_of_deals as (
    select
        m.account_key,
        m.contract_key,
        m.due_day,
        max(o.notice_months) as notice_months,
        max(case when o.is_auto_renew then 1 else 0 end) = 1 as is_auto_renew,
        max(case when o.has_number then 1 else 0 end) = 1 as has_number,
        max(m.agreed_end) as agreed_end,
        max(case when m.is_evergreen then o.term_months end) as rolls_months,
        max(m.active_to) as rolls_until,
        case when count(m.term_end) = count(*) then max(m.term_end) end as cancelled_from
    from makers as m
    join opportunities as o on o.opportunity_key = m.opportunity_key
    where m.has_base = 0 or not m.is_added
    group by m.account_key, m.contract_key, m.due_day
),

months as (
    select month_no, month_start, days_in_month from meta.calendar where day = month_start
)

select
    m.opportunity_key || '#' || e.end_no as term_id,
    m.account_key,
    m.contract_key,
    m.contract_number,
    m.opportunity_key,
    s.term_start,
    case when m.is_evergreen then null else m.due_day end as due_date,
    m.is_evergreen,
    case
        when n.month_no is not null
            then least(n.month_start + (least(c.day_of_month, n.days_in_month) - 1), t.cancelled_from)
    end as rolls_from,
    case when t.rolls_months is not null then t.rolls_until end as rolls_until,
    case when m.is_evergreen then t.cancelled_from end as cancelled_from,
    case when t.agreed_end > m.due_day then t.agreed_end end as agreed_end,
    m.committed_on,
    m.has_base = 0 as is_addition,
    t.has_number,
    t.notice_months,
    t.is_auto_renew or t.rolls_months is not null as is_auto_renew,
    coalesce(g.days, f.days) as grace_days
from makers as m
join ends_of_deals as e
    on e.opportunity_key = m.opportunity_key and e.contract_key = m.contract_key and e.due_day = m.due_day
join starts as s on s.account_key = m.account_key and s.contract_key = m.contract_key and s.due_day = m.due_day
join terms_of_deals as t on t.account_key = m.account_key and t.contract_key = m.contract_key and t.due_day = m.due_day
left join meta.calendar as c on c.day = s.term_start and t.rolls_months is not null
left join months as n on n.month_no = c.month_no + t.rolls_months
left join accounts as a on a.account_key = m.account_key
left join grace as g on g.tier = a.tier
left join grace as f on f.tier = 'default'
where m.choice = 1
