-- Purpose: which text named which competitor. Grain: text and competitor.
-- Inputs: ticket comments, notes, lost reasons and competitors of closed deals, the bridge, the rule of words.
-- Window: none. Caveats: a setting lists the names; without names there are no rows. A name in Latin letters must be
-- a whole word of the text, with or without a final s: front is not named by frontend.
with names as (
    select
        name,
        -- Blank if it is found anywhere.
        case
            when name ~ w.other_letters then ''
            else rtrim(' ' || trim(regexp_replace(name, w.between_words, ' ', 'g')))
        end as whole_word
    from unnest(cast(:competitors as text[])) as listed (name)
    cross join core.word_rule as w
),

bridge as (
    select * from core.account_bridge
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

said as (
    select
        source,
        organization_id as source_id,
        cast(created_at at time zone :zone as date) as day,
        body as words,
        ticket_id,
        'ticket' as origin,
        source || ':' || comment_id as text_key
    from staging.stg_support__ticket_comment
    where not is_deleted
    union all
    select
        source,
        account_id,
        cast(happened_at at time zone :zone as date),
        subject,
        null,
        'note',
        source || ':' || activity_id
    from staging.stg_crm__activity
    where not is_deleted and subject is not null
),

mentions as (
    select b.account_key, s.day, s.words, s.source, s.ticket_id, s.origin, s.text_key
    from said as s
    join bridge as b on b.source = s.source and b.source_id = s.source_id
    union all
    select o.account_key, o.close_date, f.words, null, null, f.origin, o.opportunity_key
    from core.opportunity as o
    cross join lateral (values ('lost_reason', o.lost_reason), ('deal', o.competitors)) as f (origin, words)
    where not o.is_deleted
        and o.is_closed
        and f.words is not null
        and (cast(:accounts as text[]) is null or o.account_key = any(cast(:accounts as text[])))
)

select
    m.account_key,
    m.day,
    n.name as competitor,
    m.origin,
    m.text_key
from mentions as m
cross join names as n
cross join core.word_rule as w
where m.account_key is not null
    and m.day is not null
    and case
        when position(n.name in lower(m.words)) = 0 then false
        when n.whole_word = '' then true
        else position(
            n.whole_word || ' ' in replace(
                ' ' || regexp_replace(lower(m.words), w.between_words, ' ', 'g') || ' ',
                n.whole_word || 's ',
                n.whole_word || ' '
            )
        ) > 0
    end
    -- In side conversations colleagues talk among themselves.
    and not exists (
        select 1 from staging.stg_support__ticket as t
        where t.source = m.source and t.ticket_id = m.ticket_id and t.channel = 'side_conversation'
    )
