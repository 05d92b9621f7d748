-- Purpose: the total of a parent and all its accounts; a second grain, never mixed with accounts.
-- Grain: family and month. Inputs: account months, families. Window: months that end on days [start, end).
-- Caveats: families of more than one account, by current knowledge. Movements are the sum over accounts: a loss of one
-- and a gain of another both count, unless a renewal moved the ARR: such a transfer counts in neither.
with months as (
    select * from marts.account_month where as_of >= :start and as_of < :end
),

families as (
    select account_key, ultimate_parent_key from core.account_family where n_in_family > 1
)

select
    f.ultimate_parent_key as family_key,
    m.as_of,
    count(*) as n_accounts,
    count(case when m.kept_arr_end > 0 then 1 end) as n_customers,
    sum(m.arr_start) as arr_start,
    sum(m.new_arr + m.reactivation_arr) as won_arr,
    sum(m.expansion_arr) as expansion_arr,
    sum(m.contraction_arr) as contraction_arr,
    sum(m.churn_arr) as churn_arr,
    sum(m.arr_end) as arr_end,
    sum(m.kept_arr_end) as kept_arr_end,
    sum(m.kept_arr_12m_ago) as kept_arr_12m_ago,
    least(sum(m.kept_arr_end), sum(m.kept_arr_12m_ago)) as kept_arr_of_12m_ago
from months as m
join families as f on f.account_key = m.account_key
group by f.ultimate_parent_key, m.as_of
