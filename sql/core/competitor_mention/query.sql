-- Purpose: days on which people named a competitor. Grain: account and day.
-- Inputs: texts that name a competitor. Window: none.
-- Caveats: a text that names two competitors counts once. Fields of deals do not count: sales lists whom it meets, also
-- at a deal that it wins.
select
    account_key,
    day,
    cast(count(distinct origin || ' ' || text_key) as integer) as n_mentions
from core.competitor_text
where origin <> 'deal'
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
group by account_key, day
