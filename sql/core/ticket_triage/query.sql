-- Purpose: what each ticket is about, and what was thought before. Grain: ticket and label.
-- Inputs: labels, tickets. Window: none.
-- Caveat: the labels are written by `analysis triage` and by agents, not by the build; a view is always current.
select
    t.ticket_key,
    t.account_key,
    t.created_day,
    l.label,
    l.p,
    l.labelled_by,
    l.about,
    l.language,
    l.version,
    l.known_from,
    lead(l.known_from) over (partition by l.ticket_key order by l.label_id) as known_to
from core.ticket as t
join meta.ticket_label as l on l.ticket_key = t.ticket_key
where not t.is_deleted
