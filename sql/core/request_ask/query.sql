-- Purpose: who asked for what, as people grouped it. Grain: one time that an account asked.
-- Inputs: tickets, their labels, entries, merges, the bridge. Window: none.
-- Caveats: people write entries and merges, so a view is always current. A ticket asks for the feature that it names,
-- until a person assigns it to a request. An assigned ticket counts whatever its label, or without one. An account that
-- was merged counts as its survivor. Of an id in a file the newest entry counts, and its key stays.
with entries as (
    select
        *,
        row_number() over (
            partition by coalesce('ticket:' || ticket_key, 'origin:' || origin, cast(entry_id as text))
            order by entry_id desc
        ) as age
    from meta.request_entry
),

merges as (
    select
        request,
        merged_into,
        row_number() over (partition by request order by change_id desc) as age
    from meta.request_change
    where merged_into is not null
),

asks as (
    select
        t.ticket_key as ask_key,
        'ticket' as origin,
        coalesce(e.request, lower(l.about)) as asked_as,
        t.account_key,
        t.created_day as asked_on
    from core.ticket as t
    left join core.ticket_triage as l on l.ticket_key = t.ticket_key and l.known_to is null
    left join entries as e on e.ticket_key = t.ticket_key and e.age = 1
    where not t.is_deleted and (l.label = 'request' or e.request is not null)
    union all
    select
        'entry:' || coalesce('origin:' || origin, cast(entry_id as text)),
        'entry',
        request,
        account_key,
        asked_on
    from entries
    where ticket_key is null and age = 1
)

select
    a.ask_key,
    a.origin,
    coalesce(nullif(m.merged_into, ''), a.asked_as) as request,
    a.asked_as,
    coalesce(b.account_key, a.account_key) as account_key,
    a.asked_on
from asks as a
left join merges as m on m.request = a.asked_as and m.age = 1
left join core.account_bridge as b on b.source || ':' || b.source_id = a.account_key and b.entity = 'account'
