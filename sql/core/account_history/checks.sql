-- fail: overlapping_versions: By current knowledge, two versions of one account apply at the same time.
select a.account_key
from core.account_history as a
join core.account_history as b
    on b.account_key = a.account_key and b.version_no > a.version_no and b.known_to is null
where a.known_to is null and coalesce(a.valid_to, b.valid_from) > b.valid_from and a.valid_to is not null
