-- Purpose: days on which competitors were named. Grain: account and day.
-- Inputs: texts that name a competitor. Window: none.
-- Caveat: a text that names two competitors counts once.
select
    account_key,
    day,
    cast(count(distinct origin || ' ' || text_key) as integer) as n_mentions
from core.competitor_text
where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
group by account_key, day
