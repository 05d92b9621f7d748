-- Purpose: open questions about contracts and renewals, for review by a person.
-- Grain: finding. Inputs: contract lines, deals, continuations, renewals. Window: none; as of today.
-- Caveats: until somebody answers or corrects the CRM, figures follow each kind's default: an unsure link counts, a
-- copy does not, a moved end keeps the rate. Terms without an open deal are listed only if the CRM has open renewal
-- deals at all, and not for accounts whose renewals so far were entered only once they were won.
with links as (
    select * from core.continuation
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Links from other accounts of the family count too. The join removes no rows: reading core.account_family makes the
-- build include the whole family.
continued_deals as (
    select distinct k.opportunity_key
    from core.continuation as k
    join core.account_family as f on f.account_key = k.account_key
),

lines as (
    select * from core.contract_line
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

opportunities as (
    select * from core.opportunity
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

renewals as (
    select * from core.renewal
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

company_terms as (
    select * from core.company_term
    where is_base and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

sources_with_deals as (
    select distinct split_part(opportunity_key, ':', 1) as source
    from core.opportunity
    where opportunity_type = 'renewal' and not is_closed and not is_deleted
),

-- If the CRM's deals have terms, a deal without an end or a length counts nowhere.
sources_with_terms as (
    select distinct split_part(line_key, ':', 1) as source from core.contract_line where way = 'deal'
),

-- A first term has no earlier deals of its account to compare with, so the CRM's practice elsewhere decides.
entered_when_won as (
    select account_key
    from opportunities
    where opportunity_type = 'renewal' and is_won and not is_deleted
    group by account_key
    having max(close_date - created_day) <= 7
),

findings as (
    select
        'unsure_link' as kind,
        account_key,
        term_id,
        opportunity_key,
        max(due_date) as due_date,
        sum(renewed_arr) as arr,
        min(method) as method,
        min(confidence) as confidence
    from links
    where confidence < 0.8 and not are_dates_missing and method <> 'no_rate'
    group by account_key, term_id, opportunity_key
    union all
    select 'no_rate', account_key, term_id, opportunity_key, due_date, null, method, null
    from links
    where method = 'no_rate'
    union all
    select 'dates_missing', account_key, term_id, opportunity_key, max(due_date), sum(renewed_arr), min(method),
        min(confidence)
    from links
    where are_dates_missing
    group by account_key, term_id, opportunity_key
    union all
    select 'copy', l.account_key, l.line_key, l.opportunity_key, max(l.term_end), sum(l.arr), 'copy', null
    from lines as l
    where l.status = 'copy'
        and not exists (
            select 1 from links as k where k.opportunity_key = l.opportunity_key and k.are_dates_missing
        )
    group by l.account_key, l.line_key, l.opportunity_key
    union all
    select 'continues_nothing', o.account_key, '', o.opportunity_key, min(l.term_start), sum(l.arr), null, null
    from opportunities as o
    join lines as l on l.opportunity_key = o.opportunity_key and l.status = 'active' and l.arr > 0
    left join continued_deals as c on c.opportunity_key = o.opportunity_key
    where o.opportunity_type = 'renewal' and o.is_won and c.opportunity_key is null
        and not l.is_addition
        and exists (
            select 1 from renewals as r
            where r.account_key = o.account_key
                and r.outcome in ('lost', 'open')
                and r.due_date between l.term_start - 366 and l.term_start + 366
                and r.opportunity_key <> o.opportunity_key
        )
    group by o.account_key, o.opportunity_key
    union all
    select 'no_open_deal', r.account_key, r.renewal_id, '', r.due_date, r.target_arr, null, null
    from renewals as r
    join sources_with_deals as s on s.source = split_part(r.renewal_id, ':', 1)
    left join entered_when_won as e on e.account_key = r.account_key
    where e.account_key is null and r.outcome = 'open' and r.is_in_rate
        and r.open_opportunity_key is null and not r.is_auto_renew
        and r.decision_date <= cast(:newest as date) + 90
    union all
    -- The company's renewal date has passed, and its ARR is still there, or was until long after.
    select 'date_passed', r.account_key, r.renewal_id, r.opportunity_key, r.due_date, r.target_arr, null, null
    from renewals as r
    join company_terms as c
        on r.opportunity_key = c.source || ':' || 'company-' || c.account_id || '-' || c.term_no
    where r.outcome in ('lost', 'after_grace') and r.due_date > cast(:newest as date) - 366
        and coalesce(c.shown_to > r.due_date + r.grace_days, true)
    union all
    select 'no_term', o.account_key, '', o.opportunity_key, o.close_date, o.amount, null, null
    from opportunities as o
    join sources_with_terms as s on s.source = split_part(o.opportunity_key, ':', 1)
    where o.is_won and not o.is_deleted and o.amount > 0 and o.opportunity_type <> 'renewal'
        and o.close_date > cast(:newest as date) - 366
        and not exists (select 1 from lines as l where l.opportunity_key = o.opportunity_key)
    union all
    select 'signed_late', account_key, line_key, opportunity_key, term_start, arr, null, null
    from lines
    where status = 'active' and way in ('line', 'deal') and arr > 0
        and committed_on > term_start + 92
        and coalesce(term_end > cast(:newest as date), true)
    union all
    select 'end_moved', account_key, line_key, opportunity_key, term_end, arr, null, null
    from lines
    where is_end_moved and not is_evergreen and status = 'active'
        and term_end > cast(:newest as date) - 366
)

select
    kind,
    account_key,
    term_id as subject_id,
    opportunity_key,
    due_date,
    cast(arr as numeric(18, 2)) as arr,
    method,
    cast(confidence as double precision) as confidence
from findings
