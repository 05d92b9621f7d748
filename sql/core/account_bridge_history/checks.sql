-- fail: two_meanings: By current knowledge, one id means two accounts on the same day.
select a.source, a.source_id
from core.account_bridge_history as a
join core.account_bridge_history as b
    on b.source = a.source and b.source_id = a.source_id and b.version_no > a.version_no and b.known_to is null
where a.known_to is null
    and b.valid_from < coalesce(a.valid_to, 'infinity')
    and coalesce(b.valid_to, 'infinity') > a.valid_from
