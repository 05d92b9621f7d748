-- Purpose: every past, current and future renewal.
-- Grain: contract and term. Inputs: contract terms, continuations, committed lines. Window: none; as of today.
-- Caveats: evergreen contracts without a length have no renewal. The kept ARR of an unsettled late renewal is
-- pending_arr until pending_until. After the grace an unrenewed term is lost even if a deal is still open. A restarted
-- term is in no rate: the new term is due instead. A renewal won with the old dates, or without a rate of its currency,
-- keeps its ARR pending until they are set, for at most the length of the term.
with terms as (
    select
        *,
        greatest(next_start, next_committed_on) as next_active_from,
        coalesce(next_committed_on, next_start) as next_closed_on,
        next_opportunity_key is not null and next_start is null as is_unplaced,
        coalesce(next_method = 'no_rate', false) as has_no_rate
    from core.contract_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

links as (
    select * from core.continuation
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

agreed as (
    select * from core.agreed_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

agreed_lines as (
    select * from core.contract_line
    where is_committed
        and (is_evergreen or active_to = term_end)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

committed_lines as (
    select * from core.committed_line
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

rates as (
    select * from meta.plan_rate
),

-- Terms joined into a chain belong to their successors.
members as (
    select distinct t.renewal_id, m.term_id
    from terms as t
    join (
        select term_id as chain_id, due_date, term_id from terms
        union all
        select term_id, due_date, joined_term_id from terms where joined_term_id is not null
    ) as m on m.chain_id = t.term_id and m.due_date <= t.due_date
),

-- The ARR that ends with a term. Lines of the contract with another end are not up for renewal.
targets as (
    select
        t.renewal_id,
        sum(round(l.arr * r.rate, 2)) as target_arr,
        sum(case when c.active_to = t.due_date then round(l.arr * r.rate, 2) else 0 end) as ending_arr
    from terms as t
    join members as m on m.renewal_id = t.renewal_id
    join agreed as a on a.term_id = m.term_id
    join agreed_lines as l
        on l.account_key = t.account_key
        and l.contract_key = t.contract_key
        and case when l.is_evergreen then a.is_evergreen and l.active_to >= t.due_date else l.term_end = a.due_date end
        and l.active_from < t.due_date
    left join committed_lines as c on c.line_key = l.line_key
    join rates as r on r.currency = l.currency and t.due_date >= r.from_day and t.due_date < r.to_day
    group by t.renewal_id
),

successors as (
    select
        term_id,
        sum(renewed_arr) as renewed_arr,
        -- Unknown if any line has no list price.
        case when count(renewed_list_arr) = count(*) then sum(renewed_list_arr) end as renewed_list_arr
    from links
    group by term_id
),

judged as (
    select
        t.*,
        coalesce(x.target_arr, 0) as target_arr,
        coalesce(x.ending_arr, 0) as ending_arr,
        case
            when t.is_auto_renewed and not coalesce(t.next_closed_on <= t.due_date, false)
                then coalesce(x.target_arr, 0)
            when t.next_opportunity_key is not null and not t.has_no_rate then coalesce(s.renewed_arr, 0)
        end as renewed_arr,
        case when t.next_opportunity_key is not null then s.renewed_list_arr end as renewed_list_arr,
        case
            when t.is_restarted then 'restarted'
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
    left join targets as x on x.renewal_id = t.renewal_id
    left join successors as s on s.term_id = t.term_id
),

with_pending as (
    select
        *,
        case
            when outcome in ('auto', 'restarted') or ending_arr <= 0 or due_date > :newest then null
            when is_unplaced then due_date + cast(due_date - term_start as integer)
            when next_active_from <= due_date + 1 and next_closed_on <= due_date then null
            when next_active_from <= due_date then null
            when next_active_from <= due_date + grace_days then next_active_from
            when outcome = 'lost' and (lost_on is not null or notice_given_on is not null) then null
            when cast(:newest as date) < due_date + grace_days then due_date + grace_days
        end as pending_until
    from judged
)

select
    renewal_id,
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
    case when outcome <> 'auto' then next_method end as method,
    case when outcome <> 'auto' then next_confidence end as confidence,
    is_unplaced and not has_no_rate as are_dates_missing,
    notice_given_on,
    case when outcome = 'lost' then lost_reason end as lost_reason,
    opportunity_key,
    open_opportunity_key,
    case
        when outcome = 'lost' then lost_opportunity_key
        when outcome <> 'auto' then next_opportunity_key
    end as closing_opportunity_key,
    target_arr > 0 and outcome <> 'restarted' as is_in_rate,
    case when target_arr <= 0 then 'nothing was committed at the end of the term' end as data_error,
    case when pending_until is not null then cast(ending_arr as numeric(18, 2)) end as pending_arr,
    pending_until
from with_pending
