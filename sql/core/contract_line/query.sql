-- Purpose: committed lines with their dates, and whether they count.
-- Grain: line, and period of days if another way counts in between. Inputs: line history, opportunities, calendar, full
-- reads. Window: none. Caveats: committed means signed, so a line counts from its start or from the day its deal was
-- closed, whichever is later. A deleted line counts as suspected until a full read confirms it. The same product and
-- dates in a second won deal are a copy. Free months belong to the paid term next to them. Of several ways, the first
-- of contract_ways counts on days with more than one.
with all_line_history as (
    select
        *,
        -- The vendor's history may have changed what is known of a version.
        row_number() over (partition by line_key, version_no order by known_from desc) as age
    from core.contract_line_history
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

line_history as (
    select * from all_line_history where age = 1
),

opportunities as (
    select * from core.opportunity
),

full_reads as (
    select source, entity, batch_id, merged_at
    from meta.batch
    where is_full and state = 'merged' and read_until is not null and entity in ('contract_line', 'opportunity')
),

-- An evergreen line has no term that a new amount could correct. It counts from the day of the change, and each former
-- price for the days until the next.
evergreen_versions as (
    select
        h.*,
        coalesce(
            max(case when h.changed_on <= greatest(o.close_date, n.valid_from) then h.price_no end)
                over (partition by h.line_key),
            min(h.price_no) over (partition by h.line_key)
        ) as first_price
    from line_history as h
    join line_history as n on n.line_key = h.line_key and n.known_to is null and n.valid_from = h.valid_from
        and n.account_key = h.account_key
    join opportunities as o on o.opportunity_key = n.opportunity_key
    where h.is_evergreen and n.is_evergreen and not h.is_deleted
),

prices as (
    select
        line_key,
        price_no,
        price_no = min(first_price) as is_first,
        max(version_no) as last_version,
        min(changed_on) as from_day,
        lead(min(changed_on)) over (partition by line_key order by price_no) as to_day
    from evergreen_versions
    where price_no >= first_price
    group by line_key, price_no
),

-- If an evergreen deal's product is billed by a subscription that starts then or later, the deal ends where the
-- subscription starts. A subscription that started long before preceded the deal.
billed as (
    select d.line_key, min(greatest(n.valid_from, o.close_date)) as billed_from
    from line_history as d
    join line_history as n
        on n.account_key = d.account_key
        and coalesce(lower(n.product), '') = coalesce(lower(d.product), '')
        and n.valid_from >= d.valid_from - 31
    join opportunities as o on o.opportunity_key = n.opportunity_key
    where d.known_to is null and d.is_evergreen and d.way = 'line'
        and n.known_to is null and n.way = 'billing' and n.is_recurring and n.arr > 0 and o.is_won
        and not (n.is_deleted and n.is_backfilled)
    group by d.line_key
),

in_force as (
    select
        h.line_key || case when h.known_to is null or p.to_day is null then '' else '@' || h.price_no end as line_key,
        h.account_key,
        h.opportunity_key,
        h.way,
        h.product,
        h.quantity,
        h.amount,
        h.list_amount,
        h.currency,
        h.is_recurring,
        h.is_evergreen,
        case when not p.is_first then greatest(h.valid_from, p.from_day) else h.valid_from end as valid_from,
        least(n.valid_to, p.to_day, b.billed_from, o.left_on) as valid_to,
        b.billed_from,
        h.term_months,
        h.term_days,
        h.arr,
        h.list_arr,
        h.is_end_moved or coalesce(o.left_on < n.valid_to, false) as is_end_moved,
        h.agreed_end,
        h.replaces_key,
        h.is_new_total,
        h.paused_on,
        h.resumed_on,
        n.is_deleted,
        n.deleted_at,
        n.batch_id,
        n.is_backfilled
    from line_history as n
    left join prices as p on p.line_key = n.line_key
    join line_history as h
        on h.line_key = n.line_key
        and h.version_no = case when p.to_day is not null then p.last_version else n.version_no end
    left join billed as b on b.line_key = n.line_key
    join opportunities as o on o.opportunity_key = h.opportunity_key
    -- A line that had not started when a won deal was moved to lost never starts.
    where n.known_to is null and coalesce(h.valid_from < o.left_on, true)
),

won_lines as (
    select
        h.*,
        o.contract_key as deal_contract_key,
        o.contract_number,
        o.has_number,
        o.opportunity_type,
        o.close_date,
        o.created_day,
        o.renews_key,
        o.is_auto_renew,
        o.notice_months,
        o.deleted_batch as deal_deleted_batch,
        o.deleted_at as deal_deleted_at,
        split_part(h.line_key, ':', 1) as source,
        coalesce(
            case
                when h.way in ('line', 'deal') or b.source is not null
                    then array_position(cast(:contract_ways as text[]), split_part(h.line_key, ':', 1))
            end,
            array_position(cast(:contract_ways as text[]), case when h.way = 'line' then 'deal' else h.way end)
        ) as way_no
    from in_force as h
    join opportunities as o on o.opportunity_key = h.opportunity_key
    left join meta.source as b on b.source = split_part(h.line_key, ':', 1) and b.kind = 'billing'
    where o.is_won
),

-- A full read confirms a deletion if it missed the record, or came after the record was seen deleted.
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
        and (w.is_deleted or w.deal_deleted_batch is not null)
    group by w.line_key
),

-- Any other line is split by day: the days that earlier ways occupy, without overlaps, and the remaining days.
accounts_with_two_ways as (
    select account_key from won_lines group by account_key having min(way_no) < max(way_no)
),

-- Lines that end on one day in an auto-renewing deal keep their days until the end for which they were cancelled, by a
-- notice or a lost renewal, or until a renewal starts. Each end rolls by its own length, because it is due separately.
rolling as (
    select
        d.*,
        s.month_no,
        s.day_of_month,
        s.day_no,
        e.day_no - s.day_no as term_days,
        case
            when e.month_no > s.month_no and (
                e.day_of_month = least(s.day_of_month, e.days_in_month) or (s.is_month_end and e.is_month_end)
            ) then e.month_no - s.month_no
        end as term_months
    from (
        select
            account_key,
            opportunity_key,
            deal_contract_key,
            coalesce(max(notice_months), 0) as notice_months,
            min(valid_from) as starts_on,
            min(min(valid_from)) over (partition by opportunity_key) as deal_starts_on,
            valid_to as ends_on
        from won_lines
        where is_auto_renew and not is_evergreen and valid_to > valid_from
            and account_key in (select account_key from accounts_with_two_ways)
        group by account_key, opportunity_key, deal_contract_key, valid_to
    ) as d
    join meta.calendar as s on s.day = d.starts_on
    join meta.calendar as e on e.day = d.ends_on
),

cancelled as (
    select r.opportunity_key, r.ends_on, o.notice_given_on as said_on, r.notice_months as months_ahead
    from rolling as r
    join opportunities as o on o.account_key = r.account_key and o.contract_key = r.deal_contract_key
    where o.notice_given_on > r.deal_starts_on and not o.is_deleted
    union all
    select opportunity_key, ends_on, close_date, 0
    from (
        select
            r.opportunity_key,
            r.ends_on,
            o.close_date,
            -- A deal with neither number nor named deal concerns the nearest end.
            row_number() over (
                partition by o.opportunity_key
                order by
                    case
                        when o.contract_key = r.deal_contract_key or o.renews_key = r.opportunity_key then 0
                        else 1
                    end,
                    abs(r.ends_on - o.close_date),
                    r.opportunity_key
            ) as choice
        from rolling as r
        join opportunities as o on o.account_key = r.account_key
        where o.opportunity_type = 'renewal' and o.is_closed and not o.is_won and not o.is_deleted
            and o.close_date > r.deal_starts_on
            and (o.contract_key = r.deal_contract_key
                or coalesce(o.renews_key = r.opportunity_key, not o.has_number))
    ) as l
    where choice = 1
),

last_days as (
    select r.opportunity_key, r.ends_on as first_end, min(c.day) as ends_on
    from rolling as r
    join cancelled as x on x.opportunity_key = r.opportunity_key and x.ends_on = r.ends_on
    join meta.calendar as c
        on c.day >= r.ends_on
        and c.day <= greatest(x.said_on, r.ends_on) + r.term_days + 31 * (x.months_ahead + 1)
        and (
            c.day = r.ends_on
            or (r.term_months is null and mod(c.day_no - r.day_no, r.term_days) = 0)
            or (mod(c.month_no - r.month_no, r.term_months) = 0
                and c.day_of_month = least(r.day_of_month, c.days_in_month))
        )
    -- The last day of the notice: subtracting months clamps to the last day of a shorter month.
    join meta.calendar as f on f.month_no = c.month_no - x.months_ahead and f.day = f.month_start
    where f.month_start + (least(c.day_of_month, f.days_in_month) - 1) >= x.said_on
    group by r.opportunity_key, r.ends_on
    union all
    select r.opportunity_key, r.ends_on, min(greatest(n.valid_from, n.close_date, r.ends_on))
    from rolling as r
    join won_lines as n
        on n.account_key = r.account_key
        and n.opportunity_key <> r.opportunity_key
        and n.opportunity_type = 'renewal'
        and n.valid_from > r.starts_on
        and (n.deal_contract_key = r.deal_contract_key or n.renews_key = r.opportunity_key)
    where not n.is_deleted and n.deal_deleted_batch is null
    group by r.opportunity_key, r.ends_on
),

-- The days on which a line counts, if no other way does. A deleted line counts until its deletion is confirmed.
own_spans as (
    select
        o.account_key,
        o.way_no,
        greatest(o.valid_from, o.close_date) as from_day,
        least(
            case when o.is_auto_renew and not o.is_evergreen then d.ends_on else o.valid_to end,
            cast(c.confirmed_at at time zone :zone as date),
            cast('2100-12-31' as date)
        ) as to_day,
        c.confirmed_at is not null as is_gone
    from won_lines as o
    join accounts_with_two_ways as a on a.account_key = o.account_key
    -- A line without a rate does not count, and so occupies no days.
    join meta.plan_rate as r
        on r.currency = coalesce(o.currency, :currency)
        and greatest(o.valid_from, o.close_date) >= r.from_day
        and greatest(o.valid_from, o.close_date) < r.to_day
    left join confirmed as c on c.line_key = o.line_key
    left join (
        select opportunity_key, first_end, min(ends_on) as ends_on from last_days group by opportunity_key, first_end
    ) as d on d.opportunity_key = o.opportunity_key and d.first_end = o.valid_to
    where o.is_recurring and o.arr > 0 and not (o.is_deleted and o.is_backfilled)
),

-- A term kept on the company counts as a whole or not at all, because its lines are differences. A deleted one stops
-- from then on.
terms_with_deals as (
    select
        t.opportunity_key,
        t.valid_to,
        max(case when o.is_gone then o.to_day else cast('2100-12-31' as date) end) as taken_until
    from (
        select account_key, opportunity_key, way_no, min(valid_from) as valid_from, max(valid_to) as valid_to
        from won_lines
        where way = 'company'
        group by account_key, opportunity_key, way_no
    ) as t
    join own_spans as o
        on o.account_key = t.account_key
        and o.way_no < t.way_no
        and o.from_day < t.valid_to
        and o.to_day > t.valid_from
        and o.from_day < o.to_day
    group by t.opportunity_key, t.valid_to
),

taken_spans as (
    select distinct l.account_key, l.way_no, o.from_day, o.to_day
    from (select distinct account_key, way_no from won_lines where way <> 'company') as l
    join own_spans as o on o.account_key = l.account_key and o.way_no < l.way_no
),

taken_in_order as (
    select
        *,
        max(to_day) over (
            partition by account_key, way_no order by from_day, to_day rows between unbounded preceding and 1 preceding
        ) as to_day_before
    from taken_spans
    where from_day < to_day
),

left_days as (
    select account_key, way_no, to_day_before as from_day, from_day as to_day
    from taken_in_order
    where to_day_before < from_day
    union all
    select account_key, way_no, cast('1900-01-01' as date), min(from_day)
    from taken_in_order
    group by account_key, way_no
    union all
    select account_key, way_no, max(to_day), cast('2100-12-31' as date)
    from taken_in_order
    group by account_key, way_no
),

left_lines as (
    select
        w.line_key,
        d.from_day,
        d.to_day,
        row_number() over (partition by w.line_key order by d.from_day) as piece_no
    from won_lines as w
    join left_days as d
        on d.account_key = w.account_key
        and d.way_no = w.way_no
        and d.from_day < coalesce(w.valid_to, cast('2100-12-31' as date))
        and d.to_day > w.valid_from
    where w.way <> 'company'
    union all
    select w.line_key, t.taken_until, cast('2100-12-31' as date), 1
    from won_lines as w
    join terms_with_deals as t on t.opportunity_key = w.opportunity_key and t.taken_until < t.valid_to
),

judged as (
    select
        w.*,
        case
            when not w.is_recurring then 'not_recurring'
            when w.amount is null then 'error_no_amount'
            when w.valid_from is null then 'error_no_start'
            when w.billed_from <= w.valid_from then 'other_way'
            when w.valid_to <= w.valid_from then 'error_dates'
            when w.arr is null then 'error_dates'
            when not exists (
                select 1 from meta.plan_rate as r
                where r.currency = coalesce(w.currency, :currency)
                    and greatest(w.valid_from, w.close_date) >= r.from_day
                    and greatest(w.valid_from, w.close_date) < r.to_day
            ) then 'error_currency'
            when w.is_deleted and w.is_backfilled then 'deleted'
            when w.way = 'company' and l.line_key is null and exists (
                select 1 from terms_with_deals as o where o.opportunity_key = w.opportunity_key
            ) then 'other_way'
            when w.way <> 'company' and t.account_key is not null and l.line_key is null then 'other_way'
            when not w.is_deleted and w.deal_deleted_batch is null then 'active'
            when c.confirmed_at is null then 'suspected_deleted'
            else 'deleted'
        end as status,
        cast(least(w.deleted_at, w.deal_deleted_at) at time zone :zone as date) as deleted_on,
        cast(c.confirmed_at at time zone :zone as date) as confirmed_on
    from won_lines as w
    left join confirmed as c on c.line_key = w.line_key
    left join (select distinct account_key, way_no from left_days) as t
        on t.account_key = w.account_key and t.way_no = w.way_no
    left join left_lines as l on l.line_key = w.line_key and l.piece_no = 1
),

-- Free months belong to the agreement: shortening the paid line leaves its rate unchanged.
paid as (
    select *, case when agreed_end > valid_to then agreed_end else valid_to end as agreed_to
    from judged
    where status = 'active' and arr > 0 and valid_to is not null and not is_evergreen
),

-- A line of amount 0 that touches a paid line of its deal and extends beyond it, of the same product or, next to it, of
-- a product that the account pays nothing for.
free as (
    select
        p.line_key as paid_key,
        f.line_key as free_key,
        f.valid_from,
        f.valid_to
    from paid as p
    join judged as f
        on f.opportunity_key = p.opportunity_key
        and f.status = 'active'
        and f.arr = 0
        and f.valid_to is not null
        and not f.is_evergreen
        and (
            (f.valid_from <= p.agreed_to and f.valid_to > p.agreed_to)
            or (f.valid_to >= p.valid_from and f.valid_from < p.valid_from)
        )
    where f.product is null
        or lower(f.product) = lower(p.product)
        or (
            (f.valid_from >= p.agreed_to - 1 or f.valid_to <= p.valid_from + 1)
            and not exists (
                select 1 from paid as o where o.account_key = f.account_key and lower(o.product) = lower(f.product)
            )
        )
),

free_by_paid as (
    select
        p.line_key as paid_key,
        least(p.valid_from, min(f.valid_from)) as agreed_from,
        p.agreed_to,
        greatest(p.agreed_to, max(f.valid_to)) as free_to
    from paid as p
    join free as f on f.paid_key = p.line_key
    group by p.line_key, p.valid_from, p.agreed_to
),

with_free as (
    select
        j.*,
        least(j.valid_from, f.agreed_from) as term_start,
        case when j.valid_to < f.agreed_to then j.valid_to else greatest(j.valid_to, f.free_to) end as term_end,
        case when j.valid_to < f.agreed_to then f.free_to else j.agreed_end end as agreed_with_free,
        f.paid_key is not null as has_free_months,
        coalesce(j.valid_to < f.agreed_to, false) as is_cut,
        f.agreed_to,
        f.free_to
    from judged as j
    left join free_by_paid as f on f.paid_key = j.line_key
),

with_length as (
    select
        w.*,
        case
            when w.is_cut then case
                when p.month_no > v.month_no and (
                    p.day_of_month = least(v.day_of_month, p.days_in_month)
                    or (v.is_month_end and p.is_month_end)
                ) then p.month_no - v.month_no
            end
            else w.term_months
        end as months_paid,
        case
            when w.has_free_months then case
                when e.month_no > s.month_no and (
                    e.day_of_month = least(s.day_of_month, e.days_in_month)
                    or (s.is_month_end and e.is_month_end)
                ) then e.month_no - s.month_no
            end
            else w.term_months
        end as months_all,
        p.day_no - v.day_no as days_paid,
        e.day_no - s.day_no as days_all
    from with_free as w
    left join meta.calendar as v on v.day = w.valid_from
    left join meta.calendar as p on p.day = coalesce(w.agreed_to, w.valid_to)
    left join meta.calendar as s on s.day = w.term_start
    left join meta.calendar as e on e.day = coalesce(w.free_to, w.term_end)
),

-- The paid lines' amount is spread over the free months.
with_rate as (
    select
        *,
        case
            when has_free_months and :free_months = 'spread' then case
                when months_paid is not null and months_all is not null then cast(months_paid as numeric) / months_all
                else cast(days_paid as numeric) / days_all
            end
            else 1
        end as spread
    from with_length
),

copies as (
    select c.line_key, min(o.line_key) as copy_of
    from paid as c
    join paid as o
        on o.account_key = c.account_key
        and o.opportunity_key <> c.opportunity_key
        and coalesce(lower(o.product), '') = coalesce(lower(c.product), '')
        and o.valid_from = c.valid_from
        and o.valid_to = c.valid_to
        and (
            (o.arr = c.arr and coalesce(o.quantity, 0) = coalesce(c.quantity, 0))
            -- The next deal was cloned from it without new dates.
            or (
                c.opportunity_type = 'renewal'
                and c.close_date > c.valid_from + cast(floor((c.valid_to - c.valid_from) / 2.0) as integer)
                and c.arr between o.arr / 2 and o.arr * 2
            )
        )
        and coalesce(o.currency, '') = coalesce(c.currency, '')
        and o.way <> 'company'
        and (not o.has_number or not c.has_number or o.deal_contract_key = c.deal_contract_key)
        and (
            o.close_date < c.close_date
            or (o.close_date = c.close_date and (o.created_day < c.created_day
                or (o.created_day = c.created_day and o.opportunity_key < c.opportunity_key)))
        )
    group by c.line_key
),

-- The lines that a change with a new total replaces: active lines of the same product, of the deal or number that it
-- names, if any.
replaced as (
    select b.line_key, min(greatest(n.valid_from, n.close_date)) as replaced_from
    from judged as n
    join judged as b
        on b.account_key = n.account_key
        and b.opportunity_key <> n.opportunity_key
        and b.status = 'active'
        and b.arr > 0
        and coalesce(lower(b.product), '') = coalesce(lower(n.product), '')
        and b.valid_from < n.valid_from
        and coalesce(b.valid_to, cast('2100-12-31' as date)) > n.valid_from
        and coalesce(
            b.opportunity_key = n.renews_key,
            not b.has_number or not n.has_number or b.deal_contract_key = n.deal_contract_key
        )
    where n.status = 'active' and n.is_new_total and n.opportunity_type in ('expansion', 'unknown') and n.arr >= 0
    group by b.line_key
),

-- The contract that a line amends, or that a deal without a number adds to or reduces: the one it names, else the one
-- of the same product active at its start, else any that ends with it.
bases as (
    select
        a.line_key,
        b.line_key as base_key,
        b.deal_contract_key,
        b.contract_number,
        row_number() over (
            partition by a.line_key
            order by
                case when b.opportunity_key = a.renews_key or b.line_key = a.replaces_key then 0 else 1 end,
                case when coalesce(lower(b.product), '') = coalesce(lower(a.product), '') then 0 else 1 end,
                b.close_date,
                b.line_key
        ) as choice
    from judged as a
    join paid as b
        on b.account_key = a.account_key
        and b.opportunity_key <> a.opportunity_key
        and b.valid_from <= a.valid_from
        and b.valid_to > a.valid_from
        and (
            -- Both end on the day first agreed, whichever was shortened since. A line shortened only to end there does
            -- not count.
            b.agreed_end = a.agreed_end
            or (b.valid_to = a.valid_to and not (a.is_end_moved and a.agreed_end > a.valid_to + 31))
            or b.opportunity_key = a.renews_key
            or b.line_key = a.replaces_key
        )
        and (a.arr > 0 or b.opportunity_key = a.renews_key or b.line_key = a.replaces_key
            or coalesce(lower(b.product), '') = coalesce(lower(a.product), ''))
    where a.status = 'active'
        and (
            (not a.has_number and (a.opportunity_type in ('expansion', 'unknown') or a.arr < 0))
            or (b.line_key = a.replaces_key and b.valid_to = a.valid_to)
        )
        and (b.has_number or b.opportunity_type in ('new', 'renewal') or b.close_date < a.close_date)
)

select
    r.line_key || case when p.piece_no > 1 then '~' || p.piece_no else '' end as line_key,
    r.account_key,
    r.opportunity_key,
    coalesce(d.deal_contract_key, b.deal_contract_key, r.deal_contract_key) as contract_key,
    coalesce(d.contract_number, b.contract_number, r.contract_number) as contract_number,
    b.line_key is not null as is_addition,
    r.opportunity_type,
    r.way,
    r.product,
    coalesce(lower(r.product), '') as product_key,
    r.quantity,
    r.amount,
    r.list_amount,
    coalesce(r.currency, :currency) as currency,
    r.term_start,
    r.term_end,
    cast(
        case when r.has_free_months and not r.is_cut then r.months_all else r.term_months end as integer
    ) as term_months,
    cast(case when r.has_free_months and not r.is_cut then r.days_all else r.term_days end as integer) as term_days,
    cast(round(r.arr * r.spread, 2) as numeric(18, 2)) as arr,
    cast(round(r.list_arr * r.spread, 2) as numeric(18, 2)) as list_arr,
    r.is_evergreen,
    case
        when c.line_key is not null then 'copy'
        when x.free_key is not null then 'free_months'
        else r.status
    end as status,
    r.status in ('active', 'suspected_deleted', 'deleted') and c.line_key is null and x.free_key is null
        as is_committed,
    c.copy_of,
    r.close_date as committed_on,
    greatest(r.term_start, r.close_date, p.from_day) as active_from,
    -- An open end is the end of the calendar.
    case
        when r.status = 'deleted' and r.is_backfilled then r.term_start
        when r.status = 'deleted' then least(coalesce(r.term_end, cast('2100-12-31' as date)), r.confirmed_on, p.to_day)
        else least(coalesce(r.term_end, cast('2100-12-31' as date)), p.to_day, y.replaced_from)
    end as active_to,
    r.is_end_moved,
    r.agreed_with_free as agreed_end,
    r.replaces_key,
    r.deleted_on,
    r.paused_on,
    r.resumed_on,
    r.is_backfilled
from with_rate as r
left join left_lines as p on p.line_key = r.line_key
left join replaced as y on y.line_key = r.line_key
left join copies as c on c.line_key = r.line_key
left join (select distinct free_key from free) as x on x.free_key = r.line_key
left join bases as b on b.line_key = r.line_key and b.choice = 1
-- An addition to an addition belongs to the contract of the first addition.
left join bases as d on d.line_key = b.base_key and d.choice = 1
