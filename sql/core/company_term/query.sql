-- Purpose: contracts that a CRM keeps as fields of the company, one term per observed renewal date.
-- Grain: CRM account, term, change of ARR. Inputs: CRM account versions, the bridge. Window: none.
-- Caveats: such fields are overwritten, so ARR and its changes count from the day on which they were observed. A
-- renewal date moved by less than 28 days, or long before the old one, is a correction and no renewal, unless the start
-- moves with it. Without a start the first term is a year, and at least since it was seen. Emptied ARR, or a lost
-- status, ends the term on that day.
with account_versions as (
    select * from staging.stg_crm__account
),

bridge as (
    select * from core.account_bridge
),

observed as (
    select
        v.source,
        v.account_id,
        b.account_key,
        case
            when v.contract_status in ('lost', 'churned', 'cancelled', 'inactive') then 0
            else coalesce(v.contract_arr, 0)
        end as arr,
        v.renewal_date,
        v.contract_start,
        v.contract_currency,
        v.batch_id,
        v.known_from,
        v.is_first_load,
        cast(coalesce(v.source_at, v.known_from) at time zone :zone as date) as seen_on,
        row_number() over (partition by v.source, v.account_id order by v.known_from, v.batch_id) as version_no
    from account_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where b.account_key is not null
        and v.known_from <= :known_at
        and not v.is_deleted
        and v.renewal_date is not null
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

moves as (
    select
        *,
        lag(renewal_date) over w as date_before,
        lag(contract_start) over w as start_before
    from observed
    window w as (partition by source, account_id order by version_no)
),

numbered as (
    select
        *,
        cast(
            1 + sum(
                case
                    when renewal_date >= date_before + 28
                        and (seen_on >= date_before - 180 or contract_start > start_before) then 1
                    else 0
                end
            ) over (partition by source, account_id order by version_no rows unbounded preceding)
            as integer
        ) as term_no
    from moves
),

-- The newest date seen for a term is its end. It began on the start that was set with it, else at the previous term's
-- end.
terms as (
    select
        source,
        account_id,
        term_no,
        min(version_no) as first_version,
        max(version_no) as last_version
    from numbered
    group by source, account_id, term_no
),

with_end as (
    select
        t.source,
        t.account_id,
        t.term_no,
        t.first_version,
        l.renewal_date as term_end,
        lag(l.renewal_date) over (partition by t.source, t.account_id order by t.term_no) as end_before,
        f.contract_start,
        f.start_before,
        f.seen_on as first_seen_on
    from terms as t
    join numbered as l on l.source = t.source and l.account_id = t.account_id and l.version_no = t.last_version
    join numbered as f on f.source = t.source and f.account_id = t.account_id and f.version_no = t.first_version
),

with_start as (
    select
        *,
        case
            when term_no > 1 and contract_start > start_before and contract_start < term_end then contract_start
            when term_no > 1 then end_before
            when contract_start < term_end then contract_start
            else least(term_end - 365, first_seen_on)
        end as term_start
    from with_end
),

-- A renewal entered with new ARR changes the ARR on the old due date, not on the day of entry. If only the date moves,
-- within a week, it records an automatic renewal: nothing was signed on the day of entry.
steps as (
    select
        n.source,
        n.account_id,
        n.account_key,
        n.term_no,
        n.version_no,
        n.version_no = s.first_version as is_base,
        n.arr,
        n.arr - coalesce(lag(n.arr) over (partition by n.source, n.account_id, n.term_no order by n.version_no), 0)
            as arr_change,
        n.arr = lag(n.arr) over (partition by n.source, n.account_id order by n.version_no)
        and n.seen_on between s.end_before and s.end_before + 7 as is_noted,
        case when n.version_no = s.first_version then s.term_start else greatest(n.seen_on, s.term_start) end
            as active_from,
        s.term_start,
        s.term_end,
        coalesce(s.term_start < s.end_before - 92, false) as is_restart,
        s.first_seen_on,
        n.contract_currency as currency,
        n.batch_id,
        n.known_from,
        n.is_first_load
    from numbered as n
    join with_start as s on s.source = n.source and s.account_id = n.account_id and s.term_no = n.term_no
),

-- How long the company showed ARR after its term ended: until it was emptied or a next date was set.
shown as (
    select
        n.source,
        n.account_id,
        n.term_no,
        min(case when n.arr <= 0 and n.seen_on >= s.term_end then n.seen_on end) as emptied_on,
        min(case when n.version_no = l.last_version then n.arr end) as last_arr
    from numbered as n
    join with_start as s on s.source = n.source and s.account_id = n.account_id and s.term_no = n.term_no
    join terms as l on l.source = n.source and l.account_id = n.account_id and l.term_no = n.term_no
    group by n.source, n.account_id, n.term_no
),

-- ARR after an empty value is a new contract: that customer had left.
spells as (
    select
        source,
        account_id,
        term_no,
        cast(
            1 + coalesce(
                sum(case when last_arr <= 0 then 1 else 0 end) over (
                    partition by source, account_id order by term_no rows between unbounded preceding and 1 preceding
                ),
                0
            )
            as integer
        ) as contract_no
    from shown
),

-- Payment stopped for good. A value that was only empty for a while ends nothing.
stopped as (
    select source, account_id, term_no, min(active_from) as stopped_on
    from (
        select
            *,
            max(case when arr > 0 then version_no else 0 end) over (partition by source, account_id, term_no)
                as last_paid
        from steps
    ) as s
    where arr <= 0 and not is_base and version_no > last_paid
    group by source, account_id, term_no
)

select
    s.source,
    s.account_id,
    s.account_key,
    s.term_no,
    p.contract_no,
    s.version_no,
    row_number() over (partition by s.source, s.account_id, s.term_no order by s.version_no) = 1 as is_base,
    s.arr_change,
    s.is_restart,
    s.active_from,
    s.term_start,
    least(s.term_end, x.stopped_on) as term_end,
    case
        when s.term_no = 1 or s.is_noted then least(s.term_start, s.first_seen_on)
        else s.first_seen_on
    end as closed_on,
    case when h.last_arr <= 0 and h.emptied_on is null then s.term_end else least(h.emptied_on, n.first_seen_on) end
        as shown_to,
    s.currency,
    s.batch_id,
    s.known_from,
    s.is_first_load
from steps as s
left join stopped as x on x.source = s.source and x.account_id = s.account_id and x.term_no = s.term_no
left join shown as h on h.source = s.source and h.account_id = s.account_id and h.term_no = s.term_no
join spells as p on p.source = s.source and p.account_id = s.account_id and p.term_no = s.term_no
left join with_start as n on n.source = s.source and n.account_id = s.account_id and n.term_no = s.term_no + 1
where s.arr_change <> 0
    and s.active_from < least(s.term_end, x.stopped_on)
