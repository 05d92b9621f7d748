-- Purpose: committed amounts and their days, as known at any time.
-- Grain: line and version. Window: none, all versions of the named accounts. Inputs: versions of lines, their states
-- before the first load, deals without lines, terms kept on companies; calendar. Caveats: a yearly rate is fixed when
-- the deal is closed, or first known after that; a version that moves only its end keeps it. Ends are exclusive; one
-- day off whole months is corrected. States from before the first load have numbers down from 0 and an empty known
-- period, for they were never the newest; the version that was current when they arrived then has a second row.
with all_line_versions as (
    select * from staging.stg_crm__contract_line where known_from <= :known_at
),

all_past_states as (
    select * from staging.stg_crm__contract_line_history where known_from <= :known_at
),

opportunity_versions as (
    select * from staging.stg_crm__opportunity where known_from <= :known_at
),

company_terms as (
    select * from core.company_term
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

opportunities as (
    select * from core.opportunity
),

-- A line may move to another deal, and so to another account. Its versions are numbered together, and its end depends
-- on the account's other lines. For a few accounts, this reads all lines of all accounts where one of their lines ever
-- was.
places as (
    select distinct l.source, l.line_id, o.account_key
    from all_line_versions as l
    join opportunities as o on o.opportunity_key = l.source || ':' || l.opportunity_id
    where cast(:accounts as text[]) is not null
),

reached as (
    select distinct p.account_key
    from places as p
    join places as n on n.source = p.source and n.line_id = p.line_id
    where n.account_key = any(cast(:accounts as text[]))
),

reached_lines as (
    select p.source, p.line_id from places as p join reached as r on r.account_key = p.account_key
),

line_versions as (
    select * from all_line_versions
    where cast(:accounts as text[]) is null or (source, line_id) in (select source, line_id from reached_lines)
),

past_states as (
    select * from all_past_states
    where cast(:accounts as text[]) is null or (source, line_id) in (select source, line_id from reached_lines)
),

months as (
    select month_no, month_start, days_in_month from meta.calendar where day = month_start
),

-- Amounts per year (per_year / per), by billing period, in the vendors' terms.
billing_periods as (
    select *
    from (
        values
            ('weekly', 365, 7), ('biweekly', 365, 14), ('monthly', 12, 1), ('month', 12, 1), ('quarterly', 12, 3),
            ('quarter', 12, 3), ('per_six_months', 12, 6), ('semiannually', 12, 6), ('semi-annual', 12, 6),
            ('annually', 12, 12), ('annual', 12, 12), ('yearly', 12, 12), ('year', 12, 12), ('per_two_years', 12, 24),
            ('per_three_years', 12, 36), ('per_four_years', 12, 48), ('per_five_years', 12, 60)
    ) as p (frequency, per_year, per)
),

billing_systems as (
    select source from meta.source where kind = 'billing'
),

recorded as (
    select
        source,
        case
            when source in (select source from billing_systems) or opportunity_id like 'subscriptions-%' then 'billing'
            else 'line'
        end as way,
        false as is_deal,
        line_id,
        opportunity_id,
        product,
        quantity,
        amount,
        amount_per,
        change_amount,
        billing_frequency,
        list_amount,
        currency,
        is_recurring,
        is_evergreen,
        term_start,
        term_end,
        term_months,
        replaces_id,
        paused_on,
        resumed_on,
        is_deleted,
        deleted_at,
        batch_id,
        known_from,
        is_first_load,
        source_at,
        false as is_past
    from line_versions
    union all
    select
        source,
        case
            when source in (select source from billing_systems) or opportunity_id like 'subscriptions-%' then 'billing'
            else 'line'
        end,
        false,
        line_id,
        opportunity_id,
        product,
        quantity,
        amount,
        amount_per,
        change_amount,
        billing_frequency,
        list_amount,
        currency,
        is_recurring,
        is_evergreen,
        term_start,
        term_end,
        term_months,
        replaces_id,
        paused_on,
        resumed_on,
        false,
        null,
        0,
        known_from,
        true,
        valid_from,
        true
    from past_states
    union all
    -- A deal without lines uses its own fields.
    select
        v.source,
        case when v.source in (select source from billing_systems) then 'billing' else 'deal' end,
        true,
        'deal-' || v.opportunity_id,
        v.opportunity_id,
        null,
        null,
        v.amount,
        v.amount_per,
        v.change_amount,
        null,
        null,
        v.currency,
        true,
        v.is_evergreen,
        v.term_start,
        v.term_end,
        v.term_months,
        null,
        null,
        null,
        v.is_deleted,
        v.deleted_at,
        v.batch_id,
        v.known_from,
        v.is_first_load,
        v.source_at,
        false
    from opportunity_versions as v
    where coalesce(v.amount, 0) <> 0
        and (v.term_end is not null or v.term_months is not null or v.is_evergreen)
        and not exists (
            select 1 from all_line_versions as l where l.source = v.source and l.opportunity_id = v.opportunity_id
        )
    union all
    select
        source,
        'company',
        false,
        'company-' || account_id || '-' || version_no,
        'company-' || account_id || '-' || term_no,
        null,
        null,
        arr_change,
        'year',
        null,
        null,
        null,
        currency,
        true,
        false,
        active_from,
        term_end,
        null,
        null,
        null,
        null,
        false,
        null,
        batch_id,
        known_from,
        is_first_load,
        null,
        false
    from company_terms
),

-- The given end, or start and length; for a line without either, its deal's.
with_end as (
    select
        r.*,
        o.account_key,
        o.opportunity_key,
        o.close_date,
        o.ended_on,
        o.paused_on as deal_paused_on,
        o.resumed_on as deal_resumed_on,
        coalesce(r.term_start, o.term_start, case when r.is_deal then o.close_date end) as starts_on,
        case
            when r.is_evergreen then least(r.term_end, o.ended_on)
            else coalesce(
                r.term_end,
                m.month_start + (least(s.day_of_month, m.days_in_month) - 1),
                o.term_end,
                n.month_start + (least(s.day_of_month, n.days_in_month) - 1)
            )
        end as given_end
    from recorded as r
    join opportunities as o on o.opportunity_key = r.source || ':' || r.opportunity_id
    left join meta.calendar as s
        on s.day = coalesce(r.term_start, o.term_start, case when r.is_deal then o.close_date end)
    left join months as m on m.month_no = s.month_no + r.term_months
    left join months as n on n.month_no = s.month_no + o.term_months
),

-- The given end, and the days before and after it, if they are whole months after the start. Each pair of days is
-- looked up once, and each day by its number: a range of days would be compared with every day of the calendar.
pairs_of_days as (
    select distinct starts_on, given_end from with_end where starts_on is not null and given_end is not null
),

whole_months as (
    select distinct p.starts_on, e.day as ends_on, e.month_no - s.month_no as months
    from pairs_of_days as p
    cross join (values (-1), (0), (1)) as d (days)
    join meta.calendar as s on s.day = p.starts_on
    join meta.calendar as g on g.day = p.given_end
    join meta.calendar as e on e.day_no = g.day_no + d.days
    where e.month_no > s.month_no
        and (e.day_of_month = least(s.day_of_month, e.days_in_month) or (s.is_month_end and e.is_month_end))
),

with_ends as (
    select w.*, g.months as months_given, b.months as months_before, a.months as months_after
    from with_end as w
    left join whole_months as g on g.starts_on = w.starts_on and g.ends_on = w.given_end
    left join whole_months as b on b.starts_on = w.starts_on and b.ends_on = w.given_end - 1
    left join whole_months as a on a.starts_on = w.starts_on and a.ends_on = w.given_end + 1
),

-- Days on which an account's lines end after whole months: an addition that ends with them is not one day off.
whole_ends as (
    select distinct account_key, given_end from with_ends where months_given is not null
),

with_term as (
    select
        w.*,
        case
            when x.given_end is null and w.way <> 'company'
                then coalesce(w.months_given, w.months_before, w.months_after)
            else w.months_given
        end as months,
        case
            -- A renewal date is by definition the first day after the term.
            when w.way = 'company' then w.given_end
            when x.given_end is not null or w.months_given is not null or w.is_evergreen then w.given_end
            when w.months_before is not null then w.given_end - 1
            when w.months_after is not null then w.given_end + 1
            else w.given_end
        end as ends_on
    from with_ends as w
    left join whole_ends as x on x.account_key = w.account_key and x.given_end = w.given_end
),

compared as (
    select
        *,
        lag(facts) over (partition by source, line_id, is_past order by arrived_at, batch_id) as facts_before
    from (
        select
            *,
            case when is_past then source_at else known_from end as arrived_at,
            concat_ws(
                '|',
                coalesce(product, ''),
                coalesce(cast(quantity as text), ''),
                coalesce(cast(amount as text), ''),
                coalesce(amount_per, ''),
                coalesce(billing_frequency, ''),
                coalesce(currency, ''),
                is_recurring,
                is_evergreen,
                coalesce(cast(starts_on as text), '')
            ) as priced_by,
            concat_ws(
                '|',
                opportunity_id,
                coalesce(product, ''),
                coalesce(cast(quantity as text), ''),
                coalesce(cast(amount as text), ''),
                coalesce(amount_per, ''),
                coalesce(billing_frequency, ''),
                coalesce(cast(list_amount as text), ''),
                coalesce(currency, ''),
                is_recurring,
                is_evergreen,
                coalesce(cast(starts_on as text), ''),
                coalesce(cast(ends_on as text), ''),
                coalesce(replaces_id, ''),
                coalesce(change_amount, ''),
                coalesce(cast(paused_on as text), ''),
                coalesce(cast(resumed_on as text), ''),
                is_deleted
            ) as facts
        from with_term
    ) as with_facts
),

-- A CRM also sends versions without relevant changes. All versions of a line are ordered before any are left out,
-- because a line may move to another deal, and so to another account. The last of the past states is the one that was
-- loaded first, so both have number 1.
changed_versions as (
    select
        *,
        case
            when is_past
                then 2 - row_number() over (partition by source, line_id, is_past order by arrived_at desc)
            else row_number() over (partition by source, line_id, is_past order by arrived_at, batch_id)
        end as version_no
    from compared
    where facts_before is null or facts <> facts_before
),

with_past as (
    select
        *,
        max(case when is_past and version_no = 1 then arrived_at end) over w as first_since,
        max(case when is_past and version_no < 1 then known_from end) over w as told_at
    from changed_versions
    window w as (partition by source, line_id)
),

in_order as (
    select
        *,
        -- When it was made, as far as is known.
        case when version_no = 1 then coalesce(first_since, arrived_at) else arrived_at end as since,
        case when not is_past then lead(known_from) over w end as known_to,
        lag(priced_by) over w as priced_by_before
    from with_past
    where not (is_past and version_no = 1)
    window w as (partition by source, line_id order by version_no)
),

price_changes as (
    select
        *,
        sum(case when priced_by_before is null or priced_by_before <> priced_by then 1 else 0 end)
            over (partition by source, line_id order by version_no rows unbounded preceding) as price_count
    from in_order
),

-- The first loaded price has number 1, whatever came before it.
numbered as (
    select
        *,
        price_count + 1
        - max(case when version_no = 1 then price_count end) over (partition by source, line_id) as price_no
    from price_changes
),

versions as (
    select
        v.*,
        v.ends_on - v.starts_on as days,
        case
            when v.amount_per = 'month' then 12
            when v.amount_per = 'year' then 1
            when v.amount_per = 'period' and p.per is not null then p.per_year
            when v.is_evergreen or v.ends_on is null then 1
            when v.months is not null then 12
            when v.ends_on > v.starts_on then 365
        end as per_year,
        case
            when v.amount_per in ('month', 'year') then 1
            when v.amount_per = 'period' and p.per is not null then p.per
            when v.is_evergreen or v.ends_on is null then 1
            when v.months is not null then v.months
            else v.ends_on - v.starts_on
        end as per
    from numbered as v
    left join billing_periods as p on p.frequency = v.billing_frequency
    where (cast(:accounts as text[]) is null or v.account_key = any(cast(:accounts as text[])))
),

-- No rule of the gate has judged a past state: without an end it is a draft.
rated as (
    select
        *,
        is_recurring and per_year is not null and (not is_past or is_evergreen or ends_on > starts_on) as has_rate
    from versions
),

priced as (
    select
        *,
        case when has_rate then round(amount * per_year / per, 2) end as own_arr,
        case when has_rate then round(list_amount * per_year / per, 2) end as own_list_arr
    from rated
),

-- The version that fixes the rate: the last one known when the deal was closed, else the first. ``fixed_then``: before
-- the past states arrived.
fixing as (
    select
        *,
        coalesce(
            max(
                case
                    when own_arr is not null and cast(since at time zone :zone as date) <= close_date then version_no
                end
            ) over w,
            min(case when own_arr is not null then version_no end) over w
        ) as fixed_by,
        coalesce(
            max(
                case
                    when own_arr is not null and not is_past
                        and cast(known_from at time zone :zone as date) <= close_date
                        then version_no
                end
            ) over w,
            min(case when own_arr is not null and not is_past then version_no end) over w
        ) as fixed_then
    from priced
    window w as (partition by source, line_id, price_no)
),

beliefs as (
    select
        *,
        fixed_then as fixed_no,
        coalesce(source_at, known_from) as changed_at,
        known_from as believed_from,
        least(known_to, told_at) as believed_to
    from fixing
    where not is_past and (told_at is null or known_from < told_at)
    union all
    select
        *,
        fixed_by,
        case when version_no <= 1 then since else coalesce(source_at, known_from) end,
        greatest(known_from, told_at),
        case when is_past then told_at else known_to end
    from fixing
    where told_at is not null and (is_past or known_to is null or known_to > told_at)
)

select
    v.source || ':' || v.line_id as line_key,
    v.account_key,
    v.opportunity_key,
    v.way,
    v.version_no,
    v.price_no,
    cast(v.changed_at at time zone :zone as date) as changed_on,
    v.product,
    v.quantity,
    v.amount,
    v.amount_per,
    v.list_amount,
    v.currency,
    v.is_recurring,
    v.is_evergreen,
    v.starts_on as valid_from,
    -- Cancelled before its end: the rate agreed for the full length stays.
    least(v.ends_on, v.ended_on) as valid_to,
    cast(case when v.ended_on < v.ends_on then null else v.months end as integer) as term_months,
    cast(least(v.days, v.ended_on - v.starts_on) as integer) as term_days,
    case when v.version_no > v.fixed_no then f.own_arr else v.own_arr end as arr,
    case when v.version_no > v.fixed_no then f.own_list_arr else v.own_list_arr end as list_arr,
    coalesce(v.version_no > v.fixed_no and v.ends_on is distinct from f.ends_on, false)
    or coalesce(v.ended_on < v.ends_on, false) as is_end_moved,
    case when v.version_no > v.fixed_no then f.ends_on else v.ends_on end as agreed_end,
    v.source || ':' || v.replaces_id as replaces_key,
    coalesce(v.change_amount = 'total', false) as is_new_total,
    coalesce(v.paused_on, v.deal_paused_on) as paused_on,
    case when v.paused_on is not null then v.resumed_on else v.deal_resumed_on end as resumed_on,
    v.is_deleted,
    v.deleted_at,
    v.batch_id,
    v.believed_from as known_from,
    v.believed_to as known_to,
    v.version_no <= 1 and v.is_first_load as is_backfilled
from beliefs as v
left join fixing as f on f.source = v.source and f.line_id = v.line_id and f.version_no = v.fixed_no
