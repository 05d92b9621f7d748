-- Purpose: the sequence of terms of each contract and the successor of each term.
-- Grain: contract and term. Inputs: agreed terms, continuations, opportunities, calendar. Window: none; as of today.
-- Caveats: an auto-renewing contract renews on each due date whose notice deadline has passed without notice or a lost
-- renewal deal. A term shortened for an early renewal stays due on the day first agreed. An open or lost renewal deal
-- without a contract number belongs to the account's term due nearest to its close date.
with agreed as (
    select * from core.agreed_term
    where (not is_evergreen or rolls_from is not null)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

links as (
    select * from core.continuation
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

opportunities as (
    select * from core.opportunity
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

months as (
    select month_no, month_start, days_in_month from meta.calendar where day = month_start
),

next_deals as (
    select
        term_id,
        opportunity_key,
        min(next_start) as next_start,
        min(committed_on) as committed_on,
        min(method) as method,
        min(confidence) as confidence,
        max(case when is_restart then 1 else 0 end) as is_restart,
        row_number() over (partition by term_id order by sum(renewed_arr) desc, opportunity_key) as choice,
        min(min(next_start)) over (partition by term_id) as first_start
    from links
    group by term_id, opportunity_key
),

-- Of several deals that continue a term the largest decides.
in_sequence as (
    select
        a.term_id,
        a.account_key,
        a.contract_key,
        a.contract_number,
        a.opportunity_key,
        a.term_start,
        case
            when a.agreed_end is not null and n.is_restart = 0
                and n.first_start between a.due_date - 1 and a.due_date + 1
                then a.agreed_end
            else coalesce(a.due_date, a.rolls_from)
        end as term_end,
        a.rolls_until,
        a.cancelled_from,
        a.committed_on,
        a.is_addition,
        a.notice_months,
        a.is_auto_renew,
        a.grace_days,
        n.opportunity_key as next_opportunity_key,
        n.first_start as next_start,
        n.committed_on as next_committed_on,
        n.method as next_method,
        n.confidence as next_confidence,
        coalesce(n.is_restart, 0) = 1 as is_restarted
    from agreed as a
    left join next_deals as n on n.term_id = a.term_id and n.choice = 1
),

with_length as (
    select
        m.*,
        s.month_no as start_month_no,
        s.day_of_month as start_day_of_month,
        s.day_no as start_day_no,
        e.day_no - s.day_no as term_days,
        case
            when e.month_no > s.month_no and (
                e.day_of_month = least(s.day_of_month, e.days_in_month)
                or (s.is_month_end and e.is_month_end)
            ) then e.month_no - s.month_no
        end as term_months
    from in_sequence as m
    join meta.calendar as s on s.day = m.term_start
    join meta.calendar as e on e.day = m.term_end
),

-- The latest relevant end of an auto-renewing term: the next one whose notice deadline may have passed.
bounded as (
    select
        *,
        cast(:newest as date) + cast(
            31 * (coalesce(notice_months, 0) + 1)
                + case when term_months is null then term_days else 31 * term_months end
            as integer
        ) as last_day
    from with_length
),

-- The term's own end, and for an automatic contract the later ends of equal terms. Reads only the calendar years that
-- such terms can reach.
own_ends as (
    select *, term_end as due_date from bounded
),

span as (
    select min(term_start) as from_day, max(last_day) as to_day from bounded where is_auto_renew
),

months_ahead as (
    select m.* from months as m join span as s on m.month_start >= s.from_day and m.month_start <= s.to_day
),

days_ahead as (
    select c.day, c.day_no from meta.calendar as c join span as s on c.day >= s.from_day and c.day <= s.to_day
),

further_ends_by_month as (
    select t.*, m.month_start + (least(t.start_day_of_month, m.days_in_month) - 1) as due_date
    from bounded as t
    join months_ahead as m
        on m.month_no > t.start_month_no + t.term_months
        and mod(m.month_no - t.start_month_no, t.term_months) = 0
    where t.is_auto_renew and t.term_months is not null and m.month_start <= t.last_day
),

further_ends_by_day as (
    select t.*, c.day as due_date
    from bounded as t
    join days_ahead as c
        on c.day_no > t.start_day_no + t.term_days
        and mod(c.day_no - t.start_day_no, t.term_days) = 0
    where t.is_auto_renew and t.term_months is null and c.day <= t.last_day
),

-- A cancelled evergreen contract is due on the day of its end, and no more after it.
ends as (
    select * from own_ends where rolls_until is null or due_date <= rolls_until
    union all
    select * from further_ends_by_month
    where (next_start is null or due_date <= next_start)
        and (rolls_until is null or due_date <= rolls_until)
        and (cancelled_from is null or due_date < cancelled_from)
    union all
    select * from further_ends_by_day
    where (next_start is null or due_date <= next_start) and rolls_until is null
    union all
    select *, cancelled_from from bounded
    where cancelled_from > term_end
        and cancelled_from <= rolls_until
        and (next_start is null or cancelled_from <= next_start)
),

with_deadline as (
    select
        e.*,
        coalesce(lag(e.due_date) over (partition by e.term_id order by e.due_date), e.term_start) as starts_on,
        row_number() over (partition by e.term_id order by e.due_date) - 1 as auto_no,
        -- Subtracting months clamps to the last day of a shorter month.
        n.month_start + (least(d.day_of_month, n.days_in_month) - 1) as notice_deadline
    from ends as e
    join meta.calendar as d on d.day = e.due_date
    left join months as n on n.month_no = d.month_no - e.notice_months
),

-- A notice after one deadline counts for the next.
with_notice_window as (
    select
        *,
        coalesce(
            lag(coalesce(notice_deadline, due_date)) over (partition by term_id order by due_date), term_start
        ) as notices_from
    from with_deadline
),

-- Open or lost renewal deals, with their candidate terms: those of their contract, of the deal that they name, else of
-- their account.
deals_of_contracts as (
    select distinct o.opportunity_key
    from opportunities as o
    join agreed as a
        on a.account_key = o.account_key
        and (a.contract_key = o.contract_key or a.opportunity_key = o.renews_key)
    where o.opportunity_type = 'renewal' and not o.is_won
),

undecided as (
    select
        o.opportunity_key,
        o.account_key,
        o.is_closed,
        o.close_date,
        o.created_day,
        o.lost_reason,
        a.term_id,
        a.contract_key,
        row_number() over (
            partition by o.opportunity_key
            order by
                case when o.is_closed or a.next_opportunity_key is null then 0 else 1 end,
                abs(a.term_end - coalesce(o.close_date, a.term_end)),
                a.term_end,
                a.term_id
        ) as choice
    from opportunities as o
    join in_sequence as a on a.account_key = o.account_key
    left join deals_of_contracts as d on d.opportunity_key = o.opportunity_key
    where o.opportunity_type = 'renewal' and not o.is_won and not o.is_deleted
        and (d.opportunity_key is null or a.contract_key = o.contract_key or a.opportunity_key = o.renews_key)
        -- Open since before this term was sold, and due to close in its first half: left over from the previous term.
        and (
            o.is_closed
            or coalesce(o.created_day >= a.committed_on, true)
            or coalesce(o.close_date >= a.term_start + cast(floor((a.term_end - a.term_start) / 2.0) as integer), true)
        )
),

-- Cancellations: notices and lost renewal deals.
cancellations as (
    select
        account_key,
        contract_key,
        cast(null as text) as term_id,
        notice_given_on as said_on,
        'notice' as kind,
        lost_reason,
        opportunity_key
    from opportunities
    where notice_given_on is not null and notice_given_on <= :newest and not is_deleted
    union all
    select account_key, contract_key, term_id, close_date, 'lost_deal', lost_reason, opportunity_key
    from undecided
    where is_closed and choice = 1 and close_date <= :newest
),

open_deals as (
    select term_id, max(created_day) as created_day, min(opportunity_key) as opportunity_key
    from undecided
    where not is_closed and choice = 1
    group by term_id
),

-- An automatic contract accepts notices up to the deadline and a lost deal up to the due date, after which the next
-- term has started. Other contracts accept notices up to the due date and a lost deal until the end of the grace. A
-- lost deal concerns only the end due nearest, a notice all of its contract.
heard as (
    select
        w.term_id,
        w.due_date,
        min(case when c.kind = 'notice' then c.said_on end) as notice_given_on,
        min(case when c.kind = 'lost_deal' then c.said_on end) as lost_on,
        min(case when c.kind = 'lost_deal' then c.opportunity_key end) as lost_opportunity_key,
        min(c.lost_reason) as lost_reason
    from with_notice_window as w
    join cancellations as c
        on c.account_key = w.account_key
        and c.contract_key = w.contract_key
        and (c.term_id is null or c.term_id = w.term_id or w.is_auto_renew)
        and c.said_on > case when c.kind = 'notice' then w.notices_from else w.starts_on end
        and c.said_on <= case
            when c.kind = 'notice' then coalesce(case when w.is_auto_renew then w.notice_deadline end, w.due_date)
            when w.is_auto_renew then w.due_date
            else w.due_date + w.grace_days
        end
    group by w.term_id, w.due_date
),

settled as (
    select
        w.*,
        -- A known end is a notice, given on that day at the latest.
        coalesce(h.notice_given_on, case when w.due_date = w.cancelled_from then w.cancelled_from end)
            as notice_given_on,
        h.lost_on,
        h.lost_opportunity_key,
        h.lost_reason,
        w.is_auto_renew
            and h.due_date is null
            and (w.due_date is distinct from w.cancelled_from)
            and coalesce(w.notice_deadline, w.due_date - 1) < cast(:newest as date) as is_auto_renewed
    from with_deadline as w
    left join heard as h on h.term_id = w.term_id and h.due_date = w.due_date
),

-- An end counts only if every earlier one of the same chain was renewed automatically.
reached as (
    select
        *,
        coalesce(
            sum(case when is_auto_renewed then 0 else 1 end) over (
                partition by term_id order by due_date rows between unbounded preceding and 1 preceding
            ),
            0
        ) as n_stops_before,
        auto_no > 0 as is_auto_term
    from settled
),

kept as (
    select *, row_number() over (partition by term_id order by due_date desc) = 1 as is_last_of_chain
    from reached
    where n_stops_before = 0
),

-- If two chains of one contract meet on a day, the term created by a deal counts, unless that deal is only an addition.
one_per_due as (
    select *, row_number() over w as choice, lead(term_id) over w as joined_term_id
    from kept
    window w as (partition by account_key, contract_key, due_date order by is_addition, term_end desc, term_id)
)

select
    t.term_id || case when t.auto_no > 0 then '.' || t.auto_no else '' end as renewal_id,
    t.term_id,
    t.joined_term_id,
    t.account_key,
    t.contract_key,
    t.contract_number,
    cast(row_number() over (partition by t.account_key, t.contract_key order by t.due_date) as integer) as term_no,
    t.starts_on as term_start,
    t.due_date,
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
    -- The deal that continues this end, if it is the last of its chain.
    case when t.is_last_of_chain then t.next_opportunity_key end as next_opportunity_key,
    case when t.is_last_of_chain then t.next_start end as next_start,
    case when t.is_last_of_chain then t.next_committed_on end as next_committed_on,
    case when t.is_last_of_chain then t.next_method end as next_method,
    case when t.is_last_of_chain then t.next_confidence end as next_confidence,
    t.is_last_of_chain and t.is_restarted as is_restarted,
    coalesce(o.created_day >= coalesce(t.lost_on, o.created_day), false)
    and t.is_last_of_chain
    and t.next_opportunity_key is null as has_open_deal,
    case when t.is_last_of_chain and t.next_opportunity_key is null then o.opportunity_key end as open_opportunity_key
from one_per_due as t
left join open_deals as o on o.term_id = t.term_id
where t.choice = 1
