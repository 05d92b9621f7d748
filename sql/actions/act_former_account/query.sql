-- Purpose: inputs of the signals about former customers.
-- Grain: account that was a customer and no longer is. Inputs: kept ARR by day, the account's CRM record, owner, lost
-- renewals. Window: none; as of today.
-- Caveats: excludes excluded accounts and accounts that came back. The lost amount is the last kept ARR.
with steps as (
    select
        account_key,
        from_day,
        kept_arr,
        lag(kept_arr) over (partition by account_key order by from_day) as kept_before,
        min(case when kept_arr > 0 then from_day end) over (partition by account_key) as customer_since,
        row_number() over (partition by account_key order by from_day desc) as age
    from core.arr_step
    where from_day <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

leavers as (
    select account_key, from_day as left_on, customer_since, kept_before as arr
    from steps
    where age = 1 and kept_arr = 0 and kept_before > 0
),

accounts as (
    select * from core.account where not is_excluded
),

owners as (
    select * from core.owner
),

losses as (
    select
        account_key,
        lost_reason,
        row_number() over (partition by account_key order by closed_on desc, renewal_id) as age
    from core.renewal
    where outcome = 'lost' and closed_on <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select
    cast(:newest as date) as as_of_day,
    l.account_key,
    a.name as account_name,
    a.tier,
    a.industry,
    a.region,
    cast(l.arr as numeric(18, 2)) as arr,
    cast(:currency as text) as currency,
    l.left_on - l.customer_since as days_as_customer,
    cast(null as date) as next_decision_date,
    cast(null as integer) as days_to_decision,
    a.owner_key,
    o.name as owner_name,
    o.email as owner_email,
    o.team as owner_team,
    coalesce(o.is_active, false) as owner_is_active,
    a.crm_account_id,
    a.crm_source,
    l.left_on,
    cast(:newest as date) - l.left_on as days_since_left,
    r.lost_reason
from leavers as l
join accounts as a on a.account_key = l.account_key
left join owners as o on o.owner_key = a.owner_key
left join losses as r on r.account_key = l.account_key and r.age = 1
