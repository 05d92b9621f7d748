-- Purpose: the customer value score, and the facts that decide the tier.
-- Grain: customer account and month end. Inputs: components and inputs of the score.
-- Window: month ends on days [start, end).
-- Caveat: the weight of a missing dimension goes to the others and lowers the coverage.
with parts as (
    select * from marts.account_value_part
    where as_of >= :start and as_of < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

inputs as (
    select * from marts.value_input
    where as_of >= :start and as_of < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

sums as (
    select
        account_key,
        as_of,
        definition,
        is_preliminary,
        floor,
        sum(weight) as weight,
        sum(case when score is not null then weight else 0 end) as known_weight,
        sum(weight * coalesce(score, 0)) as points
    from parts
    group by account_key, as_of, definition, is_preliminary, floor
)

select
    s.account_key,
    s.as_of,
    s.definition,
    cast(round(cast(s.points / nullif(s.known_weight, 0) as numeric), 2) as numeric(18, 2)) as score,
    s.known_weight / nullif(s.weight, 0) as coverage,
    coalesce(s.known_weight >= s.floor * s.weight - 0.000000001 and s.known_weight > 0, false) as is_covered,
    s.is_preliminary,
    i.tier,
    i.kept_arr,
    i.signed_on
from sums as s
join inputs as i on i.account_key = s.account_key and i.as_of = s.as_of
