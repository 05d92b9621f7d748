-- Purpose: the ARR series of a merged account until its merge.
-- Grain: merged account and day of change. Inputs: committed lines, opportunity versions, the history of the bridge.
-- Window: none. Caveats: a deal counts for its account at the time when the merge became known. On the day of the merge
-- the remaining ARR moves to the survivor, whose own table shows it for all days.
with beliefs as (
    select * from core.account_bridge_history where entity = 'account'
),

history as (
    select b.*, f.first_known_at
    from beliefs as b
    join (
        select source, source_id, version_no, min(known_from) as first_known_at
        from beliefs
        group by source, source_id, version_no
    ) as f
        on f.source = b.source and f.source_id = b.source_id and f.version_no = b.version_no
    where b.known_to is null
),

opportunity_versions as (
    select * from staging.stg_crm__opportunity where known_from <= :known_at
),

lines as (
    select * from core.committed_line
),

-- The account's own identity before its first merge.
merges as (
    select
        h.source,
        h.source_id,
        h.source || ':' || h.source_id as origin_key,
        h.account_key as survivor_key,
        cast(h.valid_from at time zone :zone as date) as merged_on,
        h.first_known_at,
        row_number() over (partition by h.source, h.source_id order by h.valid_from) as merge_no
    from history as h
    where h.method = 'merged'
),

-- All deals that ever belonged to a merged account.
deals as (
    select distinct m.origin_key, v.source, v.opportunity_id
    from merges as m
    join opportunity_versions as v on v.source = m.source and v.account_id = m.source_id
    where m.merge_no = 1
),

-- The account of each deal as last known before the merge; for a deal that arrived with the merge, the first known.
held as (
    select
        m.origin_key,
        m.survivor_key,
        m.merged_on,
        v.source || ':' || v.opportunity_id as opportunity_key,
        v.account_id,
        m.source_id,
        row_number() over (
            partition by m.origin_key, v.source, v.opportunity_id
            order by
                case when v.known_from < m.first_known_at then 0 else 1 end,
                case when v.known_from < m.first_known_at then v.batch_id end desc,
                v.batch_id
        ) as age
    from merges as m
    join deals as d on d.origin_key = m.origin_key
    join opportunity_versions as v on v.source = d.source and v.opportunity_id = d.opportunity_id
    where m.merge_no = 1
),

own_lines as (
    select h.origin_key, h.survivor_key, h.merged_on, l.arr, l.active_from, l.active_to
    from held as h
    join lines as l on l.opportunity_key = h.opportunity_key
    where h.age = 1 and h.account_id = h.source_id and l.active_from < h.merged_on
),

edges as (
    select origin_key, survivor_key, merged_on, active_from as day, arr, cast(0 as numeric) as moved from own_lines
    union all
    select origin_key, survivor_key, merged_on, active_to, -arr, 0 from own_lines where active_to < merged_on
    union all
    select origin_key, survivor_key, merged_on, merged_on, -arr, arr from own_lines where active_to >= merged_on
),

daily as (
    select origin_key, survivor_key, merged_on, day, sum(arr) as change, sum(moved) as moved
    from edges
    group by origin_key, survivor_key, merged_on, day
)

select
    origin_key,
    day as from_day,
    survivor_key,
    merged_on,
    cast(sum(change) over (partition by origin_key order by day rows unbounded preceding) as numeric(18, 2)) as arr,
    cast(moved as numeric(18, 2)) as moved_arr
from daily
