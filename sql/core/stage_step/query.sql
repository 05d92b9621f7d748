-- Purpose: the stages that an account entered, each with the record and field that show it.
-- Grain: account, stage and entry. Inputs: accounts, prospects, referrals, steps of activity, retention and ARR,
-- product starts. Window: none, past and contracted future. Caveats: only revenue can be left, when kept ARR falls to
-- 0, and entered again. First use is not known for accounts that are older than the loaded usage. An account that was
-- a customer before its first lead has no acquisition. Excluded accounts have no row.
with usage_starts as (
    select min(first_day) as oldest_day from core.product_start
),

excluded as (
    select account_key from core.account where is_excluded
),

activations as (
    select s.account_key, min(s.day) as day
    from core.activity_step as s
    join core.product_start as p on p.account_key = s.account_key
    cross join usage_starts as u
    where s.is_active
        and p.first_day > u.oldest_day
        and (cast(:accounts as text[]) is null or s.account_key = any(cast(:accounts as text[])))
    group by s.account_key
),

arr_steps as (
    select
        account_key,
        from_day,
        kept_arr,
        lag(kept_arr) over (partition by account_key order by from_day) as kept_before
    from core.arr_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

entries as (
    select
        account_key,
        'acquisition' as stage,
        qualified_on as entered_on,
        'staging.stg_crm__lead' as evidence_table,
        qualified_lead_key as evidence_key,
        qualified_field as evidence_field,
        standard_version as rule_version,
        qualified_known_from as known_from
    from core.prospect
    where qualified_on is not null
        and account_key is not null
        and not was_customer
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    union all
    select
        account_key,
        'activation',
        day,
        'core.usage_28d',
        account_key || '|' || cast(day as text),
        'n_active_users',
        null,
        null
    from activations
    union all
    select
        r.account_key,
        'retention',
        r.day,
        'core.usage_28d',
        r.account_key || '|' || cast(r.day as text),
        'n_active_users',
        null,
        null
    from core.retention_step as r
    join activations as a on a.account_key = r.account_key and r.day >= a.day + 49 and r.day <= a.day + 55
    union all
    select
        account_key,
        'revenue',
        from_day,
        'core.arr_step',
        account_key || '|' || cast(from_day as text),
        'kept_arr',
        null,
        null
    from arr_steps
    where kept_arr > 0 and coalesce(kept_before, 0) <= 0
    union all
    select
        account_key,
        'referral',
        referred_on,
        'staging.stg_crm__lead',
        qualified_lead_key,
        qualified_field,
        null,
        qualified_known_from
    from (
        select *, row_number() over (partition by account_key order by referred_on, referred_key) as place
        from core.referral
        where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    ) as first_referrals
    where place = 1
)

select
    e.account_key,
    e.stage,
    cast(row_number() over (partition by e.account_key, e.stage order by e.entered_on) as integer) as entry_no,
    e.entered_on,
    e.evidence_table,
    e.evidence_key,
    e.evidence_field,
    cast(e.rule_version as bigint) as rule_version,
    cast(e.known_from as timestamptz) as known_from
from entries as e
left join excluded as x on x.account_key = e.account_key
where x.account_key is null
