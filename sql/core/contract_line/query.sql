-- Purpose: what is committed, from when to when, and whether it counts.
-- Grain: line. Inputs: line history, opportunities, calendar, full reads. Window: none.
-- Caveats: committed means signed, so a line counts from its start or from the day its deal was closed, whichever is
-- later. A deleted line counts on as suspected until a full read confirms it, and ends on that day.
with line_history as (
    select * from core.contract_line_history
),

opportunities as (
    select * from core.opportunity
),

full_reads as (
    select source, entity, batch_id, merged_at
    from meta.batch
    where is_full and state = 'merged' and read_until is not null and entity in ('contract_line', 'opportunity')
),

won_lines as (
    select
        h.*,
        o.contract_key,
        o.contract_number,
        o.opportunity_type,
        o.close_date,
        o.deleted_batch as deal_deleted_batch,
        o.deleted_at as deal_deleted_at,
        split_part(h.line_key, ':', 1) as source
    from line_history as h
    join opportunities as o on o.opportunity_key = h.opportunity_key
    where h.known_to is null
        and o.is_won
        and (cast(:accounts as text[]) is null or h.account_key = any(cast(:accounts as text[])))
),

-- A full read that did not meet the record, or came after the record was seen deleted, confirms it.
confirmed as (
    select w.line_key, min(r.merged_at) as confirmed_at
    from won_lines as w
    join full_reads as r
        on r.source = w.source
        and (
            (r.entity = 'contract_line' and w.is_deleted and r.batch_id >= w.batch_id)
            or (r.entity = 'opportunity' and r.batch_id >= w.deal_deleted_batch)
        )
    where r.merged_at <= :known_at
    group by w.line_key
),

judged as (
    select
        w.*,
        case
            when not w.is_recurring then 'not_recurring'
            when w.amount is null then 'error_no_amount'
            when w.term_start is null then 'error_no_start'
            when w.term_end <= w.term_start then 'error_dates'
            when w.arr is null then 'error_dates'
            when not exists (
                select 1 from meta.plan_rate as r
                where r.currency = coalesce(w.currency, :currency)
                    and greatest(w.term_start, w.close_date) >= r.from_day
                    and greatest(w.term_start, w.close_date) < r.to_day
            ) then 'error_currency'
            when w.is_deleted and w.is_backfilled then 'deleted'
            when not w.is_deleted and w.deal_deleted_batch is null then 'active'
            when c.confirmed_at is null then 'suspected_deleted'
            else 'deleted'
        end as status,
        cast(least(w.deleted_at, w.deal_deleted_at) at time zone :zone as date) as deleted_on,
        cast(c.confirmed_at at time zone :zone as date) as confirmed_on
    from (select *, valid_from as term_start, valid_to as term_end from won_lines) as w
    left join confirmed as c on c.line_key = w.line_key
)

select
    line_key,
    account_key,
    opportunity_key,
    contract_key,
    contract_number,
    opportunity_type,
    product,
    quantity,
    amount,
    list_amount,
    coalesce(currency, :currency) as currency,
    term_start,
    term_end,
    term_months,
    term_days,
    arr,
    list_arr,
    is_evergreen,
    status,
    close_date as committed_on,
    greatest(term_start, close_date) as active_from,
    -- An open end is the end of the calendar.
    case
        when status = 'deleted' and is_backfilled then term_start
        when status = 'deleted' then least(coalesce(term_end, cast('2100-12-31' as date)), confirmed_on)
        else coalesce(term_end, cast('2100-12-31' as date))
    end as active_to,
    deleted_on,
    paused_on,
    resumed_on,
    is_backfilled
from judged
