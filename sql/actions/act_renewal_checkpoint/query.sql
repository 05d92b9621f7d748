-- Purpose: inputs of the renewal alerts.
-- Grain: renewal. Inputs: renewals, accounts, owners, contacts, the account's newest day. Window: none; as of today, or
-- of a past day in a simulation, where a renewal settled later is still open.
-- Caveats: only renewals with ARR to renew, without excluded accounts. A value without a connected source is null. Each
-- column names its sources, so that decide can ignore columns of a failing source.
with renewals as (
    select * from core.renewal
    where (outcome = 'open' or closed_on > :newest)
        and is_in_rate
        and decision_date <= cast(:newest as date) + cast(:horizon_days as integer)
        and decision_date > cast(:newest as date) - cast(:behind_days as integer)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

accounts as (
    select * from core.account where not is_excluded
),

owners as (
    select * from core.owner
),

days as (
    select * from marts.account_day
    where day = :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

decision_makers as (
    select account_key, min(name) as decision_maker_name
    from core.contact
    where is_decision_maker and not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
)

select
    cast(:newest as date) as as_of_day,
    r.renewal_id,
    r.account_key,
    a.name as account_name,
    a.tier,
    a.industry,
    a.region,
    r.contract_key,
    r.contract_number,
    r.term_no,
    r.term_start,
    r.due_date,
    r.term_days,
    r.notice_deadline,
    r.decision_date,
    r.decision_date - cast(:newest as date) as days_to_decision,
    r.target_arr,
    cast(:currency as text) as currency,
    r.is_auto_renew,
    a.owner_key,
    o.name as owner_name,
    o.email as owner_email,
    o.team as owner_team,
    coalesce(o.is_active, false) as owner_is_active,
    a.crm_account_id,
    a.crm_source,
    cast(d.usage_28d as numeric) as usage_28d,
    cast(d.usage_expected as numeric) as usage_baseline,
    d.usage_ratio,
    d.active_users_28d,
    d.paid_seats,
    d.seat_utilisation,
    d.breadth,
    d.n_open_tickets,
    d.n_open_urgent_tickets,
    d.oldest_open_urgent_at,
    d.last_contact_at,
    d.n_decision_makers,
    d.n_decision_makers > 0 as decision_maker_known,
    m.decision_maker_name
from renewals as r
join accounts as a on a.account_key = r.account_key
left join owners as o on o.owner_key = a.owner_key
left join days as d on d.account_key = r.account_key
left join decision_makers as m on m.account_key = r.account_key
