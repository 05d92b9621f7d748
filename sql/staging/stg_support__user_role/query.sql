-- Purpose: the roles of people at the desk over time.
-- Grain: user and version. Inputs: the raw versions of every desk. Window: none.
-- Caveat: a version applies from the desk's own time on, the first one to all time before.
with versions as (
    select
        source,
        id,
        lower(nullif(trim(role), '')) as role,
        coalesce(_source_at, _loaded_at) as valid_from,
        row_number() over (partition by source, id order by coalesce(_source_at, _loaded_at), _batch_id) as version_no
    from raw.support__support_user__version
    where not _is_deleted
)

select
    source,
    id as user_id,
    role,
    case when version_no = 1 then cast('1970-01-01' as timestamptz) else valid_from end as valid_from,
    lead(valid_from) over (partition by source, id order by version_no) as valid_to
from versions
