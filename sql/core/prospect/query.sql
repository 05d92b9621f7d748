-- Purpose: who may buy, when they became a lead and met the standard, what brought them, and the evidence.
-- Grain: prospect: an account, or a lead without one. Inputs: lead versions, bridge, accounts, ARR steps, the standard.
-- Window: none. Caveats: the earliest date that any version held counts, since CRMs overwrite dates when a lead comes
-- back. The newest channel counts that is not blank. A stage that was skipped counts from the next. Deleted leads count
-- only for an account: others were junk or duplicates. The last touch is the newest up to the first day as a customer.
with versions as (
    select v.*, v.source || ':' || v.lead_id as lead_key
    from staging.stg_crm__lead as v
    where v.known_from <= :known_at
),

ranked as (
    select *, row_number() over (partition by lead_key order by known_from desc, batch_id desc) as age
    from versions
),

origins as (
    select
        lead_key,
        (array_agg(channel order by age) filter (where channel is not null))[1] as channel,
        (array_agg(campaign order by age) filter (where campaign is not null))[1] as campaign,
        (array_agg(referred_by_id order by age) filter (where referred_by_id is not null))[1] as referred_by_id
    from ranked
    group by lead_key
),

leads as (
    select
        n.lead_key,
        n.source,
        o.channel,
        o.campaign,
        o.referred_by_id,
        b.account_key,
        coalesce(b.account_key, n.source || ':lead:' || n.lead_id) as prospect_key
    from ranked as n
    join origins as o on o.lead_key = n.lead_key
    left join core.account_bridge as b on b.source = n.source and b.source_id = n.account_id
    left join core.account as a on a.account_key = b.account_key
    where n.age = 1
        and (b.account_key is not null or not n.is_deleted)
        and not coalesce(a.is_excluded, false)
),

customers as (
    select account_key, min(from_day) as customer_from from core.arr_step where kept_arr > 0 group by account_key
),

-- The stages' dates in the order of the stages.
dates as (
    select lead_key, 1 as stage_no, 'lead_at' as field, lead_at as reached_at, known_from from versions
    union all
    select lead_key, 2, 'qualified_at', qualified_at, known_from from versions
    union all
    select lead_key, 3, 'sales_qualified_at', sales_qualified_at, known_from from versions
    union all
    select lead_key, 4, 'converted_at', converted_at, known_from from versions
),

reached as (
    select l.prospect_key, d.lead_key, d.stage_no, d.field, d.reached_at, min(d.known_from) as known_from
    from dates as d
    join leads as l on l.lead_key = d.lead_key
    where d.reached_at is not null
    group by l.prospect_key, d.lead_key, d.stage_no, d.field, d.reached_at
),

first_leads as (
    select
        *,
        cast(reached_at at time zone :zone as date) as lead_on,
        row_number() over (partition by prospect_key order by reached_at, stage_no, lead_key) as place
    from reached
),

standards as (
    select f.prospect_key, s.version, s.stage_no
    from first_leads as f
    join meta.lead_standard as s on f.lead_on >= s.from_day and f.lead_on < s.to_day
    where f.place = 1
),

qualified as (
    select
        r.*,
        s.version,
        row_number() over (partition by r.prospect_key order by r.reached_at, r.stage_no, r.lead_key) as place
    from reached as r
    join standards as s on s.prospect_key = r.prospect_key and r.stage_no >= s.stage_no
),

last_touches as (
    select
        l.prospect_key,
        v.last_channel,
        row_number() over (
            partition by l.prospect_key order by v.last_touch_at desc, v.lead_key, v.batch_id desc
        ) as place
    from versions as v
    join leads as l on l.lead_key = v.lead_key
    left join customers as c on c.account_key = l.account_key
    where v.last_channel is not null
        and (c.customer_from is null or cast(v.last_touch_at at time zone :zone as date) <= c.customer_from)
        and v.last_touch_at is not null
),

campaigns as (
    select
        r.prospect_key,
        l.campaign,
        row_number() over (partition by r.prospect_key order by r.reached_at, r.stage_no, r.lead_key) as place
    from reached as r
    join leads as l on l.lead_key = r.lead_key
    where l.campaign is not null
)

select
    f.prospect_key,
    l.account_key,
    f.lead_on,
    cast(q.reached_at at time zone :zone as date) as qualified_on,
    q.version as standard_version,
    q.lead_key as qualified_lead_key,
    q.field as qualified_field,
    q.known_from as qualified_known_from,
    coalesce(l.channel, 'unknown') as first_channel,
    coalesce(t.last_channel, 'unknown') as last_channel,
    g.campaign,
    c.customer_from,
    coalesce(c.customer_from < f.lead_on, false) as was_customer,
    w.account_key as referrer_key
from first_leads as f
join leads as l on l.lead_key = f.lead_key
left join qualified as q on q.prospect_key = f.prospect_key and q.place = 1
left join last_touches as t on t.prospect_key = f.prospect_key and t.place = 1
left join campaigns as g on g.prospect_key = f.prospect_key and g.place = 1
left join customers as c on c.account_key = l.account_key
left join core.account_bridge as w on w.source = l.source and w.source_id = l.referred_by_id
where f.place = 1
