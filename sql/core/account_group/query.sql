-- Purpose: the groups for which figures are computed, and the period in which an account belongs to each.
-- Grain: account, kind of group and day of change. Inputs: attribute steps. Window: none.
-- Caveat: it is a view, so that tables store only the step and not its end, which a later step sets.
with steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
)

select
    s.account_key,
    g.grain,
    case g.grain
        when 'all' then 'all'
        when 'tier' then coalesce(s.tier, 'unknown')
        when 'csm' then coalesce(s.owner_key, 'unknown')
        when 'industry' then coalesce(s.industry, 'unknown')
        else coalesce(s.region, 'unknown')
    end as grain_key,
    s.tier,
    s.from_day,
    s.to_day
from steps as s
cross join meta.grain as g
