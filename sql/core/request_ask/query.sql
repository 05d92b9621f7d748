-- Purpose: who asked for what, as people grouped it. Grain: one time that an account asked.
-- Inputs: labels of tickets, entries, merges. Window: none.
-- Caveats: people write entries and merges, so a view is always current. A ticket asks for the feature that it names,
-- until a person assigns it to a request. A ticket that a person assigned counts whatever its label.
with entries as (
    select
        *,
        row_number() over (partition by coalesce(ticket_key, cast(entry_id as text)) order by entry_id desc) as age
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
        coalesce(e.request, lower(t.about)) as asked_as,
        t.account_key,
        t.created_day as asked_on
    from core.ticket_triage as t
    left join entries as e on e.ticket_key = t.ticket_key and e.age = 1
    where t.known_to is null and (t.label = 'request' or e.request is not null)
    union all
    select 'entry:' || cast(entry_id as text), 'entry', request, account_key, asked_on
    from entries
    where ticket_key is null
)

select
    a.ask_key,
    a.origin,
    coalesce(nullif(m.merged_into, ''), a.asked_as) as request,
    a.asked_as,
    a.account_key,
    a.asked_on
from asks as a
left join merges as m on m.request = a.asked_as and m.age = 1
