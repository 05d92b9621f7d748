-- Purpose: the health score with overrides, as shown to people. Grain: customer account and day. Inputs: scores, band
-- steps, overrides. Window: none.
-- Caveats: an override is shown until its end and never changes the computed score. An overridden number sets its band
-- directly; with an override of the band alone the computed number is shown. A band older than 400 days is that of its
-- month end.
with crossings as (
    select
        account_key,
        edge,
        day as from_day,
        is_above,
        lead(day) over (partition by account_key, edge order by day) as to_day
    from (
        select *, lag(is_above) over (partition by account_key, edge order by day) as was_above
        from marts.health_step
    ) as s
    where was_above is null or was_above <> is_above
),

yellow as (
    select * from crossings where edge = 'yellow'
),

green as (
    select * from crossings where edge = 'green'
),

bands as (
    select
        s.*,
        case when g.is_above then 'green' when y.is_above then 'yellow' when y.is_above is not null then 'red' end
            as last_band,
        case
            when g.is_above then g.from_day
            when y.is_above then greatest(y.from_day, g.from_day)
            else y.from_day
        end as band_since
    from marts.health_score as s
    left join yellow as y
        on y.account_key = s.account_key and y.from_day <= s.day and (y.to_day is null or y.to_day > s.day)
    left join green as g
        on g.account_key = s.account_key and g.from_day <= s.day and (g.to_day is null or g.to_day > s.day)
)

select
    b.account_key,
    b.day,
    b.score,
    b.computed,
    coalesce(o.score, b.computed) as shown,
    b.ceiling,
    b.coverage,
    case
        when o.band is not null then o.band
        when o.score >= b.green_from then 'green'
        when o.score >= b.yellow_from then 'yellow'
        when o.score is not null then 'red'
        when b.unknown_reason <> '' or b.last_band is null then 'unknown'
        else b.last_band
    end as band,
    b.last_band,
    b.band_since,
    b.unknown_reason,
    o.account_key is not null as is_override,
    b.profile,
    b.version
from bands as b
left join meta.health_override as o
    on o.account_key = b.account_key and b.day >= o.from_day and b.day < o.until and o.known_to is null
