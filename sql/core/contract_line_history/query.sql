-- Purpose: what was committed for which days, as known at any moment.
-- Grain: line and version. Inputs: CRM line versions, opportunities, the bridge.
-- Window: none, all versions of the named accounts. Caveat: an edited amount or end is a correction of the whole line;
-- what was known before stays here with its known_to.
with line_versions as (
    select * from staging.stg_crm__contract_line
),

opportunities as (
    select * from core.opportunity
),

calendar as (
    select * from meta.calendar
),

compared as (
    select
        *,
        lag(facts) over (partition by source, line_id order by known_from, batch_id) as facts_before
    from (
        select
            *,
            concat_ws(
                '|',
                coalesce(opportunity_id, ''),
                coalesce(product, ''),
                coalesce(cast(quantity as text), ''),
                coalesce(cast(amount as text), ''),
                coalesce(cast(list_amount as text), ''),
                coalesce(currency, ''),
                is_recurring,
                is_evergreen,
                coalesce(cast(term_start as text), ''),
                coalesce(cast(term_end as text), ''),
                coalesce(cast(paused_on as text), ''),
                coalesce(cast(resumed_on as text), ''),
                is_deleted
            ) as facts
        from line_versions
        where known_from <= :known_at
    ) as with_facts
),

-- A CRM also sends versions in which nothing that matters has changed. All of a line's versions are put in order before
-- any are left out: a line may move to another deal, and so to another account.
changed_versions as (
    select
        *,
        row_number() over (partition by source, line_id order by known_from, batch_id) as version_no,
        lead(known_from) over (partition by source, line_id order by known_from, batch_id) as known_to
    from compared
    where facts_before is null or facts <> facts_before
),

versions as (
    select
        v.source || ':' || v.line_id as line_key,
        o.account_key,
        v.source || ':' || v.opportunity_id as opportunity_key,
        v.version_no,
        v.product,
        v.quantity,
        v.amount,
        v.list_amount,
        v.currency,
        v.is_recurring,
        v.is_evergreen,
        v.term_start,
        v.term_end,
        v.paused_on,
        v.resumed_on,
        v.is_deleted,
        v.deleted_at,
        v.batch_id,
        v.known_from,
        v.known_to,
        v.is_first_load
    from changed_versions as v
    join opportunities as o on o.opportunity_key = v.source || ':' || v.opportunity_id
    where (cast(:accounts as text[]) is null or o.account_key = any(cast(:accounts as text[])))
),

with_term as (
    select
        w.*,
        case
            when e.month_no > s.month_no and e.day_of_month = least(s.day_of_month, e.days_in_month)
                then e.month_no - s.month_no
        end as term_months,
        e.day_no - s.day_no as term_days
    from versions as w
    left join calendar as s on s.day = w.term_start
    left join calendar as e on e.day = w.term_end
)

select
    line_key,
    account_key,
    opportunity_key,
    version_no,
    product,
    quantity,
    amount,
    list_amount,
    currency,
    is_recurring,
    is_evergreen,
    term_start as valid_from,
    term_end as valid_to,
    cast(term_months as integer) as term_months,
    cast(term_days as integer) as term_days,
    -- Whole months by months, anything else by days; what runs until it is cancelled is priced per year.
    case
        when not is_recurring then null
        when is_evergreen or term_end is null then round(amount, 2)
        when term_months is not null then round(amount * 12 / term_months, 2)
        when term_days > 0 then round(amount * 365 / term_days, 2)
    end as arr,
    case
        when not is_recurring then null
        when is_evergreen or term_end is null then round(list_amount, 2)
        when term_months is not null then round(list_amount * 12 / term_months, 2)
        when term_days > 0 then round(list_amount * 365 / term_days, 2)
    end as list_arr,
    paused_on,
    resumed_on,
    is_deleted,
    deleted_at,
    batch_id,
    known_from,
    known_to,
    version_no = 1 and is_first_load as is_backfilled
from with_term
