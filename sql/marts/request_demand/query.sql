-- Purpose: requests for features with the ARR of the accounts that asked. Grain: request, after merges.
-- Inputs: asks, decisions on requests, customers of the newest day, lost renewals, accounts. Window: none.
-- Caveats: an account counts once per request, however often it asks; a missing decision date is not due. What a
-- user has not connected is null, never zero. A lost renewal names a request by its name or that of one merged into
-- it, as whole words where they are Latin.
with asks as (
    select
        request,
        cast(count(distinct account_key) as integer) as n_accounts,
        cast(sum(case when origin = 'ticket' then 1 else 0 end) as integer) as n_tickets,
        cast(sum(case when origin = 'entry' then 1 else 0 end) as integer) as n_entries,
        min(asked_on) as first_asked,
        max(asked_on) as last_asked
    from core.request_ask
    group by request
),

amounts as (
    select
        k.request,
        sum(a.arr) as arr,
        sum(case when a.days_to_decision <= 180 then a.arr else 0 end) as arr_due,
        sum(case when a.health_band in ('red', 'yellow') then a.arr else 0 end) as arr_at_risk,
        count(nullif(a.health_band, 'unknown')) as n_bands
    from (select distinct request, account_key from core.request_ask) as k
    join marts.act_account as a on a.account_key = k.account_key
    group by k.request
),

names as (
    select distinct
        request,
        replace(lower(named), '_', ' ') as name,
        case
            when named ~ w.other_letters then ''
            else ' ' || trim(regexp_replace(lower(named), w.between_words, ' ', 'g')) || ' '
        end as whole_words
    from (
        select request, asked_as as named from core.request_ask
        union all
        select request, request from core.request_ask
    ) as n
    cross join core.word_rule as w
    where length(named) >= 3
),

reasons as (
    select
        lower(r.lost_reason) as reason,
        ' ' || regexp_replace(lower(r.lost_reason), w.between_words, ' ', 'g') || ' ' as words,
        sum(r.target_arr) as arr
    from core.renewal as r
    cross join core.word_rule as w
    left join core.account as a on a.account_key = r.account_key
    where r.outcome = 'lost' and r.lost_reason is not null and not coalesce(a.is_excluded, false)
    group by lower(r.lost_reason), w.between_words
),

lost as (
    select request, sum(arr) as lost_arr
    from (
        select distinct n.request, r.reason, r.arr
        from names as n
        join reasons as r
            on case
                when n.whole_words = '' then position(n.name in r.reason) > 0
                else position(n.whole_words in r.words) > 0
            end
    ) as m
    group by request
),

decided as (
    select
        request,
        kind,
        state,
        shipped_on,
        row_number() over (partition by request, kind is null order by change_id desc) as kind_age,
        row_number() over (partition by request, state is null order by change_id desc) as state_age
    from meta.request_change
),

has_records as (
    select
        exists (select 1 from core.ticket_triage) as has_tickets,
        exists (select 1 from reasons) as has_reasons
)

select
    k.request,
    t.kind,
    coalesce(s.state, 'open') as state,
    s.shipped_on,
    k.n_accounts,
    cast(m.arr as numeric(18, 2)) as arr,
    cast(m.arr_due as numeric(18, 2)) as arr_due,
    cast(case when m.n_bands > 0 then m.arr_at_risk end as numeric(18, 2)) as arr_at_risk,
    cast(case when h.has_reasons then coalesce(l.lost_arr, 0) end as numeric(18, 2)) as lost_arr,
    case when h.has_tickets or k.n_tickets > 0 then k.n_tickets end as n_tickets,
    k.n_entries,
    k.first_asked,
    k.last_asked
from asks as k
cross join has_records as h
left join amounts as m on m.request = k.request
left join lost as l on l.request = k.request
left join decided as t on t.request = k.request and t.kind is not null and t.kind_age = 1
left join decided as s on s.request = k.request and s.state is not null and s.state_age = 1
