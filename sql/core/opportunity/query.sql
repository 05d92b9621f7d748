-- Purpose: deals with the terms that they set for their contract.
-- Grain: opportunity. Inputs: CRM versions of opportunities and lines, terms of companies, the bridge. Window: none.
-- Caveats: contract numbers are compared without case, blanks and punctuation. A deal without a number, or with a
-- placeholder word, is a separate contract. A deal belongs to its primary company. A term kept on the company is a deal
-- here, and so is a contract that lines name instead of a deal: won on its first day.
with opportunity_versions as (
    select * from staging.stg_crm__opportunity
),

bridge as (
    select * from core.account_bridge
),

-- Contracts that lines name instead of a deal. One whose lines have several accounts belongs to that of the first.
line_versions as (
    select
        *,
        row_number() over (partition by source, line_id order by known_from desc, batch_id desc) as age
    from staging.stg_crm__contract_line
    where known_from <= :known_at
        and (source, line_id) in (select source, line_id from staging.stg_crm__contract_line where has_no_deal)
),

named_contracts as (
    select
        v.source,
        v.opportunity_id,
        b.account_key,
        min(v.term_start) over (partition by v.source, v.opportunity_id) as first_day,
        min(v.created_at) over (partition by v.source, v.opportunity_id) as created_at,
        row_number() over (partition by v.source, v.opportunity_id order by v.term_start, v.line_id) as n
    from line_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where v.age = 1 and v.has_no_deal and b.account_key is not null
),

company_terms as (
    select * from core.company_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Deals that belong, or once belonged, to the named accounts.
touched as (
    select distinct v.source, v.opportunity_id
    from opportunity_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where b.account_key = any(cast(:accounts as text[]))
),

known_versions as (
    select
        *,
        row_number() over (partition by source, opportunity_id order by known_from desc, batch_id desc) as age,
        max(case when not is_deleted then batch_id end) over (partition by source, opportunity_id) as last_live_batch,
        max(case when not is_ended then batch_id end) over (partition by source, opportunity_id) as last_running_batch,
        max(case when is_won and not is_deleted then batch_id end) over (partition by source, opportunity_id)
            as last_won_batch
    from opportunity_versions
    where known_from <= :known_at
        and (
            cast(:accounts as text[]) is null
            or (source, opportunity_id) in (select source, opportunity_id from touched)
        )
),

newest_versions as (
    select
        *,
        min(case when is_deleted and batch_id > coalesce(last_live_batch, 0) then batch_id end)
            over (partition by source, opportunity_id) as deleted_batch,
        min(case when is_ended and batch_id > coalesce(last_running_batch, 0) then coalesce(source_at, known_from) end)
            over (partition by source, opportunity_id) as ended_at,
        min(case when batch_id > last_won_batch then coalesce(source_at, known_from) end)
            over (partition by source, opportunity_id) as unwon_at,
        nullif(upper(regexp_replace(contract_number, '[^[:alnum:]]', '', 'g')), '') as plain_number
    from known_versions
),

-- A pause known only as a state lasts from the first version with that state to the next version without it.
paused as (
    select
        source,
        opportunity_id,
        max(case when is_paused then day end) as paused_on,
        max(case when not is_paused then day end) as resumed_on
    from (
        select
            source,
            opportunity_id,
            is_paused,
            lag(is_paused) over (partition by source, opportunity_id order by known_from, batch_id) as was_paused,
            cast(coalesce(source_at, known_from) at time zone :zone as date) as day
        from known_versions
        where not is_deleted
    ) as v
    where is_paused <> coalesce(was_paused, false)
    group by source, opportunity_id
),

-- A close date that changes to the day of the change, over a month after the win, comes from the CRM: it sets the date
-- if a closed deal moves to another closed stage, or is reopened for a correction. The first win counts.
won_versions as (
    select
        *,
        lag(close_date) over w as close_date_before,
        lag(next_day) over w as left_before
    from (
        select
            source,
            opportunity_id,
            batch_id,
            known_from,
            close_date,
            is_won and not is_deleted as is_won,
            cast(coalesce(source_at, known_from) at time zone :zone as date) as changed_on,
            lead(cast(coalesce(source_at, known_from) at time zone :zone as date))
                over (partition by source, opportunity_id order by known_from, batch_id) as next_day
        from known_versions
    ) as v
    where is_won
    window w as (partition by source, opportunity_id order by known_from, batch_id)
),

numbered as (
    select
        *,
        sum(
            case
                when close_date > close_date_before + 31
                    and close_date between changed_on - 1 and changed_on
                    and changed_on <= left_before + 31
                    then 0
                else 1
            end
        ) over (partition by source, opportunity_id order by known_from, batch_id) as win_no
    from won_versions
),

won as (
    select source, opportunity_id, min(close_date) as won_on
    from (
        select *, max(win_no) over (partition by source, opportunity_id) as last_win_no from numbered
    ) as n
    where win_no = last_win_no
    group by source, opportunity_id
),

-- Won, and moved to lost over a month later: many teams mark so that a customer left. The lines count until then.
deals as (
    select
        v.*,
        w.won_on,
        case
            when v.is_closed and not v.is_won and not v.is_deleted
                and cast(v.unwon_at at time zone :zone as date) > w.won_on + 31
                then case
                    when v.close_date > w.won_on then v.close_date
                    else cast(v.unwon_at at time zone :zone as date)
                end
        end as left_on,
        case when v.plain_number not in ('NA', 'TBD', 'TBA', 'NONE', 'UNKNOWN', 'NULL', '0') then v.plain_number end
            as number
    from newest_versions as v
    left join won as w on w.source = v.source and w.opportunity_id = v.opportunity_id
    where v.age = 1
)

select
    v.source || ':' || v.opportunity_id as opportunity_key,
    b.account_key,
    v.source || ':' || coalesce(v.number, 'deal-' || v.opportunity_id) as contract_key,
    case when v.number is null then v.opportunity_id else v.contract_number end as contract_number,
    v.number is not null as has_number,
    case
        when v.opportunity_type = 'expansion' then 'expansion'
        when v.opportunity_type = 'renewal' or v.pipeline = any(cast(:renewal_pipelines as text[])) then 'renewal'
        when v.opportunity_type = 'new' then 'new'
        else 'unknown'
    end as opportunity_type,
    v.stage,
    v.is_closed or v.is_won as is_closed,
    v.is_won or v.left_on is not null as is_won,
    case when v.left_on is not null or v.is_won then coalesce(v.won_on, v.close_date) else v.close_date end
        as close_date,
    v.amount,
    v.currency,
    v.source || ':' || v.renews_id as renews_key,
    v.term_start,
    v.term_end,
    v.term_months,
    v.notice_months,
    v.is_auto_renew and v.left_on is null as is_auto_renew,
    case when v.left_on is not null then least(v.notice_given_on, v.left_on) else v.notice_given_on end
        as notice_given_on,
    cast(v.ended_at at time zone :zone as date) as ended_on,
    p.paused_on,
    case when p.resumed_on >= p.paused_on then p.resumed_on end as resumed_on,
    v.left_on,
    v.lost_reason,
    v.competitors,
    v.source || ':' || v.owner_id as owner_key,
    cast(v.created_at at time zone :zone as date) as created_day,
    v.is_deleted,
    v.deleted_at,
    v.deleted_batch
from deals as v
join bridge as b on b.source = v.source and b.source_id = v.account_id
left join paused as p on p.source = v.source and p.opportunity_id = v.opportunity_id
where b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
union all
select
    source || ':' || 'company-' || account_id || '-' || term_no,
    account_key,
    source || ':' || 'company-' || account_id || case when contract_no > 1 then '-' || contract_no else '' end,
    account_id,
    true,
    case
        when row_number() over (partition by source, account_id, contract_no order by term_no) = 1 then 'new'
        when is_restart then 'unknown'
        else 'renewal'
    end,
    null,
    true,
    true,
    closed_on,
    null,
    currency,
    null,
    term_start,
    term_end,
    null,
    null,
    false,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    closed_on,
    false,
    null,
    null
from company_terms
where is_base
union all
select
    v.source || ':' || v.opportunity_id,
    v.account_key,
    v.source || ':' || 'deal-' || v.opportunity_id,
    v.opportunity_id,
    false,
    'unknown',
    null,
    true,
    true,
    v.first_day,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    false,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    cast(v.created_at at time zone :zone as date),
    false,
    null,
    null
from named_contracts as v
where v.n = 1
    and (cast(:accounts as text[]) is null or v.account_key = any(cast(:accounts as text[])))
