-- Purpose: every renewal that is, was or will be due.
-- Grain: contract and term. Inputs: contract terms, committed lines. Window: none; looks at today.
-- Caveats: evergreen contracts have no term and so no renewal; what an unsettled late renewal keeps is pending_arr
-- until pending_until; past the grace an unrenewed term is lost even while somebody's deal is still open.
with terms as (
    select
        *,
        greatest(next_start, next_committed_on) as next_active_from,
        coalesce(next_committed_on, next_start) as next_closed_on
    from core.contract_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

lines as (
    select * from core.committed_line
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

rates as (
    select * from meta.plan_rate
),

-- What ends with the term. Lines of the contract that go on beyond it are not up for renewal.
targets as (
    select
        t.account_key,
        t.contract_key,
        t.term_no,
        sum(round(l.arr * r.rate, 2)) as target_arr,
        sum(case when l.active_to = t.due_date then round(l.arr * r.rate, 2) else 0 end) as ending_arr
    from terms as t
    join lines as l
        on l.account_key = t.account_key
        and l.contract_key = t.contract_key
        and l.active_from < t.due_date
        and l.active_to >= t.due_date
        and l.term_end <= t.due_date
    join rates as r on r.currency = l.currency and t.due_date >= r.from_day and t.due_date < r.to_day
    group by t.account_key, t.contract_key, t.term_no
),

-- What the deals that go on bring on the new term's first day; later steps of theirs are contracted expansion.
successor_deals as (
    select distinct t.account_key, t.contract_key, t.term_no, t.due_date, t.next_start, l.opportunity_key
    from terms as t
    join lines as l
        on l.account_key = t.account_key and l.contract_key = t.contract_key and l.term_end = t.next_term_end
    where l.opportunity_type <> 'expansion' or l.opportunity_key = t.next_opportunity_key
),

successors as (
    select
        s.account_key,
        s.contract_key,
        s.term_no,
        sum(round(l.arr * r.rate, 2)) as renewed_arr,
        -- Unknown as soon as one line has no list price.
        case when count(l.list_arr) = count(*) then sum(round(l.list_arr * r.rate, 2)) end as renewed_list_arr
    from successor_deals as s
    join lines as l on l.opportunity_key = s.opportunity_key
    join rates as r on r.currency = l.currency and s.due_date >= r.from_day and s.due_date < r.to_day
    where l.term_start <= s.next_start and coalesce(l.term_end, l.active_to) > s.next_start
    group by s.account_key, s.contract_key, s.term_no
),

judged as (
    select
        t.*,
        coalesce(x.target_arr, 0) as target_arr,
        coalesce(x.ending_arr, 0) as ending_arr,
        case
            when t.is_auto_renewed and not coalesce(t.next_closed_on <= t.due_date, false)
                then coalesce(x.target_arr, 0)
            when t.next_opportunity_key is not null then coalesce(s.renewed_arr, 0)
        end as renewed_arr,
        s.renewed_list_arr,
        case
            when t.is_auto_renewed and not coalesce(t.next_closed_on <= t.due_date, false) then 'auto'
            when t.next_opportunity_key is null then
                case
                    when t.lost_on is not null and not t.has_open_deal then 'lost'
                    when (t.lost_on is not null or t.notice_given_on is not null) and t.due_date <= :newest then 'lost'
                    when t.due_date + t.grace_days <= :newest then 'lost'
                    else 'open'
                end
            when t.next_closed_on < t.due_date - cast(:early_days as integer) then 'early'
            when t.next_closed_on <= t.due_date then 'on_time'
            when t.next_closed_on <= t.due_date + t.grace_days then 'in_grace'
            else 'after_grace'
        end as outcome
    from terms as t
    left join targets as x
        on x.account_key = t.account_key and x.contract_key = t.contract_key and x.term_no = t.term_no
    left join successors as s
        on s.account_key = t.account_key and s.contract_key = t.contract_key and s.term_no = t.term_no
),

with_pending as (
    select
        *,
        case
            when outcome = 'auto' or ending_arr <= 0 or due_date > :newest then null
            when next_active_from <= due_date then null
            when next_active_from <= due_date + grace_days then next_active_from
            when outcome = 'lost' and (lost_on is not null or notice_given_on is not null) then null
            when cast(:newest as date) < due_date + grace_days then due_date + grace_days
        end as pending_until
    from judged
)

select
    contract_key || '#' || term_no as renewal_id,
    account_key,
    contract_key,
    contract_number,
    term_no,
    term_start,
    due_date,
    due_date - term_start as term_days,
    notice_months,
    notice_deadline,
    coalesce(notice_deadline, due_date) as decision_date,
    grace_days,
    is_auto_renew,
    is_auto_term,
    cast(target_arr as numeric(18, 2)) as target_arr,
    cast(renewed_arr as numeric(18, 2)) as renewed_arr,
    case when outcome <> 'auto' then cast(renewed_list_arr as numeric(18, 2)) end as renewed_list_arr,
    outcome,
    case when outcome = 'auto' then 'auto' when next_opportunity_key is not null then 'deal' end as renewed_by,
    case
        when outcome = 'auto' then coalesce(notice_deadline, due_date)
        when outcome = 'lost' then coalesce(lost_on, due_date)
        when next_opportunity_key is not null then next_closed_on
    end as closed_on,
    notice_given_on,
    case when outcome = 'lost' then lost_reason end as lost_reason,
    opportunity_key,
    case
        when outcome = 'lost' then lost_opportunity_key
        when outcome <> 'auto' then next_opportunity_key
    end as closing_opportunity_key,
    target_arr > 0 as is_in_rate,
    case when target_arr <= 0 then 'nothing was committed at the end of the term' end as data_error,
    case when pending_until is not null then cast(ending_arr as numeric(18, 2)) end as pending_arr,
    pending_until
from with_pending
