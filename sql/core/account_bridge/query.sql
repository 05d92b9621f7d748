-- Purpose: the current account of each source's own account id. It applies to all days of the id.
-- Grain: source and id. Inputs: the history of the bridge. Window: none.
-- Caveat: an unmatched id has a null account_key and is listed for review.
with history as (
    select * from core.account_bridge_history
)

select
    source,
    source_id,
    entity,
    account_key,
    method,
    confidence,
    open_reason,
    cast(known_from at time zone :zone as date) as since_day
from history
where known_to is null and valid_to is null
