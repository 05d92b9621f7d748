-- Purpose: the sequence of terms of each contract and what followed each of them.
-- Grain: contract and term. Inputs: contract lines, opportunities, calendar. Window: none; looks at today.
-- Caveats: deals of one contract whose lines end on one day make one term; expansions make none, nor does what runs
-- until it is cancelled. A contract that auto-renews does so on each due date whose notice deadline has passed
-- without notice or a lost renewal deal.
with lines as (
    select * from core.contract_line
    where status in ('active', 'suspected_deleted', 'deleted')
        and active_to = term_end
        and not is_evergreen
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

opportunities as (
    select * from core.opportunity
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

calendar as (
    select * from meta.calendar
),

months as (
    select month_no, month_start, days_in_month from meta.calendar where day = month_start
),

accounts as (
    select * from core.account
),

grace as (
    select * from meta.grace_days
),

only_expanded as (
    select account_key, contract_key
    from lines
    group by account_key, contract_key
    having max(case when opportunity_type = 'expansion' then 0 else 1 end) = 0
),

deals as (
    select
        l.account_key,
        l.contract_key,
        l.contract_number,
        l.opportunity_key,
        min(l.term_start) as term_start,
        max(l.term_end) as term_end,
        max(l.committed_on) as committed_on
    from lines as l
    left join only_expanded as x on x.account_key = l.account_key and x.contract_key = l.contract_key
    where (l.opportunity_type <> 'expansion' or x.contract_key is not null)
    group by l.account_key, l.contract_key, l.contract_number, l.opportunity_key
),

made_terms as (
    select
        d.account_key,
        d.contract_key,
        min(d.contract_number) as contract_number,
        min(d.opportunity_key) as opportunity_key,
        min(d.term_start) as term_start,
        d.term_end,
        min(d.committed_on) as committed_on,
        max(o.notice_months) as notice_months,
        max(cast(o.is_auto_renew as integer)) = 1 as is_auto_renew
    from deals as d
    join opportunities as o on o.opportunity_key = d.opportunity_key
    group by d.account_key, d.contract_key, d.term_end
),

with_previous as (
    select
        *,
        lag(term_end) over (partition by account_key, contract_key order by term_end) as previous_end
    from made_terms
),

line_starts as (
    select distinct d.account_key, d.contract_key, d.term_end, l.term_start
    from deals as d
    join lines as l on l.opportunity_key = d.opportunity_key
),

-- What is added before the due date with the deal that renews does not bring the new term forward.
begun_terms as (
    select
        p.account_key,
        p.contract_key,
        p.contract_number,
        p.opportunity_key,
        coalesce(s.term_start, p.term_start) as term_start,
        p.term_end,
        p.committed_on,
        p.notice_months,
        p.is_auto_renew
    from with_previous as p
    left join line_starts as s
        on s.account_key = p.account_key and s.contract_key = p.contract_key and s.term_end = p.term_end
        and s.term_start = p.previous_end and p.term_start < p.previous_end
),

in_sequence as (
    select
        m.*,
        lead(m.term_start) over (partition by m.account_key, m.contract_key order by m.term_end) as next_start,
        lead(m.committed_on) over (partition by m.account_key, m.contract_key order by m.term_end) as next_committed_on,
        lead(m.opportunity_key) over (partition by m.account_key, m.contract_key order by m.term_end)
            as next_opportunity_key,
        lead(m.term_end) over (partition by m.account_key, m.contract_key order by m.term_end) as next_term_end,
        s.month_no as start_month_no,
        s.day_of_month as start_day_of_month,
        s.day_no as start_day_no,
        e.day_no - s.day_no as term_days,
        case
            when e.month_no > s.month_no and e.day_of_month = least(s.day_of_month, e.days_in_month)
                then e.month_no - s.month_no
        end as term_months
    from begun_terms as m
    join calendar as s on s.day = m.term_start
    join calendar as e on e.day = m.term_end
),

-- The term's own end, and for an automatic contract the later ends of equal terms, as far as they can matter.
own_ends as (
    select *, term_end as due_date from in_sequence
),

further_ends_by_month as (
    select t.*, m.month_start + (least(t.start_day_of_month, m.days_in_month) - 1) as due_date
    from in_sequence as t
    join months as m
        on m.month_no > t.start_month_no + t.term_months
        and mod(m.month_no - t.start_month_no, t.term_months) = 0
    where t.is_auto_renew and t.term_months is not null
        and m.month_start <= cast(:newest as date) + 31 * (t.term_months + coalesce(t.notice_months, 0) + 1)
),

further_ends_by_day as (
    select t.*, c.day as due_date
    from in_sequence as t
    join calendar as c
        on c.day_no > t.start_day_no + t.term_days
        and mod(c.day_no - t.start_day_no, t.term_days) = 0
    where t.is_auto_renew and t.term_months is null
        and c.day <= cast(:newest as date) + 31 * (coalesce(t.notice_months, 0) + 1) + t.term_days
),

ends as (
    select * from own_ends
    union all
    select * from further_ends_by_month where next_start is null or due_date <= next_start
    union all
    select * from further_ends_by_day where next_start is null or due_date <= next_start
),

with_deadline as (
    select
        e.*,
        coalesce(
            lag(e.due_date) over (partition by e.account_key, e.contract_key, e.term_end order by e.due_date),
            e.term_start
        ) as starts_on,
        -- Subtracting months clamps to the last day of a shorter month.
        n.month_start + (least(d.day_of_month, n.days_in_month) - 1) as notice_deadline,
        coalesce(g.days, f.days) as grace_days
    from ends as e
    join calendar as d on d.day = e.due_date
    left join months as n on n.month_no = d.month_no - e.notice_months
    left join accounts as a on a.account_key = e.account_key
    left join grace as g on g.tier = a.tier
    left join grace as f on f.tier = 'default'
),

-- A notice after one deadline is one before the next.
with_notice_window as (
    select
        *,
        coalesce(
            lag(coalesce(notice_deadline, due_date)) over (
                partition by account_key, contract_key, term_end order by due_date
            ),
            term_start
        ) as notices_from
    from with_deadline
),

-- What the customer, or the one who lost the renewal deal, said against going on.
cancellations as (
    select account_key, contract_key, notice_given_on as said_on, 'notice' as kind, lost_reason, opportunity_key
    from opportunities
    where notice_given_on is not null and notice_given_on <= :newest and not is_deleted
    union all
    select account_key, contract_key, close_date, 'lost_deal', lost_reason, opportunity_key
    from opportunities
    where opportunity_type = 'renewal' and is_closed and not is_won and close_date <= :newest and not is_deleted
),

open_deals as (
    select account_key, contract_key, max(created_day) as created_day
    from opportunities
    where opportunity_type = 'renewal' and not is_closed and not is_deleted
    group by account_key, contract_key
),

-- An automatic contract hears notices up to the deadline and a lost deal up to the due date, after which the next term
-- has begun; any other hears notices up to the due date and a lost deal until the grace is over.
heard as (
    select
        w.account_key,
        w.contract_key,
        w.due_date,
        min(case when c.kind = 'notice' then c.said_on end) as notice_given_on,
        min(case when c.kind = 'lost_deal' then c.said_on end) as lost_on,
        min(case when c.kind = 'lost_deal' then c.opportunity_key end) as lost_opportunity_key,
        min(c.lost_reason) as lost_reason
    from with_notice_window as w
    join cancellations as c
        on c.account_key = w.account_key
        and c.contract_key = w.contract_key
        and c.said_on > case when c.kind = 'notice' then w.notices_from else w.starts_on end
        and c.said_on <= case
            when c.kind = 'notice' then coalesce(case when w.is_auto_renew then w.notice_deadline end, w.due_date)
            when w.is_auto_renew then w.due_date
            else w.due_date + w.grace_days
        end
    group by w.account_key, w.contract_key, w.due_date
),

settled as (
    select
        w.*,
        h.notice_given_on,
        h.lost_on,
        h.lost_opportunity_key,
        h.lost_reason,
        w.is_auto_renew
            and h.due_date is null
            and coalesce(w.notice_deadline, w.due_date) < cast(:newest as date) as is_auto_renewed
    from with_deadline as w
    left join heard as h
        on h.account_key = w.account_key and h.contract_key = w.contract_key and h.due_date = w.due_date
),

-- An end counts only if every earlier one of the same chain was renewed automatically.
reached as (
    select
        *,
        coalesce(
            sum(case when is_auto_renewed then 0 else 1 end) over (
                partition by account_key, contract_key, term_end
                order by due_date
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as n_stops_before,
        due_date > term_end as is_auto_term
    from settled
),

kept as (
    select
        *,
        row_number() over (partition by account_key, contract_key, term_end order by due_date desc) = 1
            as is_last_of_chain
    from reached
    where n_stops_before = 0
),

-- Where two chains of one contract meet on a day, the term that a deal made counts.
one_per_due as (
    select *, row_number() over (partition by account_key, contract_key, due_date order by term_end desc) as choice
    from kept
)

select
    t.account_key,
    t.contract_key,
    t.contract_number,
    cast(row_number() over (partition by t.account_key, t.contract_key order by t.due_date) as integer) as term_no,
    t.starts_on as term_start,
    t.due_date,
    t.term_end as chain_start,
    t.opportunity_key,
    t.is_auto_renew,
    t.is_auto_term,
    t.notice_months,
    t.notice_deadline,
    t.grace_days,
    t.notice_given_on,
    t.lost_on,
    t.lost_opportunity_key,
    t.lost_reason,
    t.is_auto_renewed,
    t.is_last_of_chain,
    -- The deal that goes on after this end, if it is the last of its chain.
    case when t.is_last_of_chain then t.next_opportunity_key end as next_opportunity_key,
    case when t.is_last_of_chain then t.next_term_end end as next_term_end,
    case when t.is_last_of_chain then t.next_start end as next_start,
    case when t.is_last_of_chain then t.next_committed_on end as next_committed_on,
    coalesce(o.created_day >= coalesce(t.lost_on, o.created_day), false)
    and t.is_last_of_chain
    and t.next_opportunity_key is null as has_open_deal
from one_per_due as t
left join open_deals as o on o.account_key = t.account_key and o.contract_key = t.contract_key
where t.choice = 1
