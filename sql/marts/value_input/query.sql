-- Purpose: the inputs of the customer value score for each month end.
-- Grain: customer account and month end. Inputs: account days, attributes, lines, contacts, tickets, activities,
-- invoices, deals, movements, rates. Window: month ends on days [start, end), completed months.
-- Caveats: a value without a source is null, never 0. Invoices not paid within 5 days of their due date are late;
-- unpaid ones that fell due within 5 days before the month's end are not judged yet.
with bridge as (
    select * from core.account_bridge
),

excluded as (
    select account_key from core.account where is_excluded
),

-- A returning customer starts again.
starts as (
    select
        s.account_key,
        s.from_day as customer_since,
        lead(s.from_day) over (partition by s.account_key order by s.from_day) as to_day
    from (
        select
            account_key,
            from_day,
            kept_arr,
            lag(kept_arr) over (partition by account_key order by from_day) as before
        from core.arr_step
        where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    ) as s
    where s.kept_arr > 0 and coalesce(s.before, 0) <= 0
),

grid as (
    select
        d.*,
        d.day as as_of,
        c.day_12m_ago,
        d.day - s.customer_since as days_as_customer
    from marts.account_day as d
    join meta.calendar as c on c.day = d.day and c.is_month_end
    join starts as s
        on s.account_key = d.account_key and d.day >= s.customer_since and (s.to_day is null or d.day < s.to_day)
    left join excluded as x on x.account_key = d.account_key
    where d.day >= :start and d.day < :end
        and d.day < cast(:newest as date)
        and d.is_customer
        and x.account_key is null
        and (cast(:accounts as text[]) is null or d.account_key = any(cast(:accounts as text[])))
),

attributes as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

contacts as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.contact_step
    where from_day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

lines as (
    select account_key, lower(trim(product)) as product, active_from, active_to
    from core.committed_line
    where product is not null
        and active_from < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

products as (
    select g.account_key, g.as_of, count(distinct l.product) as n_products
    from grid as g
    join lines as l on l.account_key = g.account_key and l.active_from <= g.as_of and l.active_to > g.as_of
    group by g.account_key, g.as_of
),

tickets as (
    select account_key, created_day
    from core.ticket
    where not is_deleted
        and created_day < :end
        and created_day > cast(:start as date) - 365
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

asked as (
    select g.account_key, g.as_of, count(*) as n_tickets
    from grid as g
    join tickets as t on t.account_key = g.account_key and t.created_day <= g.as_of and t.created_day > g.as_of - 365
    group by g.account_key, g.as_of
),

touches as (
    select b.account_key, cast(a.happened_at at time zone :zone as date) as day
    from staging.stg_crm__activity as a
    join bridge as b on b.source = a.source and b.source_id = a.account_id
    where not a.is_deleted
        and a.is_completed
        and a.activity_type in ('call', 'meeting')
        and cast(a.happened_at at time zone :zone as date) < :end
        and cast(a.happened_at at time zone :zone as date) > cast(:start as date) - 365
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

touched as (
    select g.account_key, g.as_of, count(*) as n_touches
    from grid as g
    join touches as t on t.account_key = g.account_key and t.day <= g.as_of and t.day > g.as_of - 365
    group by g.account_key, g.as_of
),

invoices as (
    select
        b.account_key,
        i.due_on,
        case when i.amount_open > 0 then cast(null as date) else i.paid_on end as paid_on,
        i.amount * r.rate as amount
    from staging.stg_crm__invoice as i
    join bridge as b on b.source = i.source and b.source_id = i.account_id
    join meta.plan_rate as r
        on r.currency = coalesce(i.currency, cast(:currency as text)) and i.due_on >= r.from_day and i.due_on < r.to_day
    where not i.is_deleted
        and i.amount > 0
        and coalesce(i.status, 'open') not in ('draft', 'void')
        and i.due_on < :end
        and i.due_on > cast(:start as date) - 730
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

paid as (
    select
        g.account_key,
        g.as_of,
        sum(i.amount) as due_amount,
        sum(case when i.paid_on <= g.as_of and i.paid_on <= i.due_on + 5 then i.amount else 0 end) as in_time_amount,
        max(greatest(0, case when i.paid_on <= g.as_of then i.paid_on else g.as_of end - i.due_on)) as late_days,
        max(i.due_on) as invoice_due_on
    from grid as g
    join invoices as i
        on i.account_key = g.account_key
            and i.due_on <= g.as_of
            and i.due_on > g.as_of - 730
            and (i.due_on + 5 < g.as_of or i.paid_on <= g.as_of)
    group by g.account_key, g.as_of
),

agreed as (
    select g.account_key, g.as_of, sum(m.expansion_contracted_arr) as contracted_arr
    from grid as g
    join marts.arr_movement as m on m.account_key = g.account_key and m.day <= g.as_of and m.day > g.day_12m_ago
    group by g.account_key, g.as_of
),

signed as (
    select g.account_key, g.as_of, max(o.close_date) as signed_on
    from grid as g
    join core.opportunity as o on o.account_key = g.account_key and o.close_date <= g.as_of
    where o.is_won and not o.is_deleted
    group by g.account_key, g.as_of
),

policies as (
    select * from meta.tier_policy
),

served as (
    select
        g.account_key,
        g.as_of,
        case when g.n_open_tickets is not null then coalesce(k.n_tickets, 0) end as n_tickets,
        coalesce(t.n_touches, 0) as n_touches,
        -- Cost of a year; for a younger account extrapolated to a year.
        (
            case when g.n_open_tickets is not null then coalesce(k.n_tickets, 0) end
            * cast(:ticket_cost as double precision)
            + coalesce(t.n_touches, 0) * cast(:touch_cost as double precision)
        ) * 365 / greatest(1, least(365, g.days_as_customer))
        + coalesce(p.services_cost, d.services_cost, 0) as cost
    from grid as g
    left join asked as k on k.account_key = g.account_key and k.as_of = g.as_of
    left join touched as t on t.account_key = g.account_key and t.as_of = g.as_of
    left join policies as p on p.tier = lower(g.tier)
    left join policies as d on d.tier = 'default'
)

select
    g.account_key,
    g.as_of,
    g.tier,
    g.days_as_customer,
    g.days_as_customer / cast(365.25 as double precision) as tenure_years,
    g.kept_arr,
    cast(g.kept_arr - coalesce(a.contracted_arr, 0) as double precision) / nullif(g.kept_arr_12m_ago, 0) - 1 as growth,
    s.employees,
    coalesce(b.brand, s.brand) as brand,
    s.referrals,
    cast(p.n_products as integer) as n_products,
    case
        when g.n_contacts is not null
            then case when c.n_end_users > 0 or g.active_users_28d > 0 then 1 else 0 end
                + case when g.n_champions > 0 then 1 else 0 end
                + case when g.n_decision_makers > 0 then 1 else 0 end
                + case when c.n_vetoes > 0 then 1 else 0 end
    end as n_roles_filled,
    cast(v.n_tickets as integer) as n_tickets_12m,
    cast(v.n_touches as integer) as n_touches_12m,
    cast(v.cost as numeric(18, 2)) as cost_to_serve,
    1 - v.cost / cast(g.kept_arr as double precision) as gross_margin,
    cast(i.in_time_amount / i.due_amount as double precision) as paid_in_time_share,
    cast(i.late_days as integer) as longest_late_days,
    i.invoice_due_on,
    w.signed_on
from grid as g
left join attributes as s
    on s.account_key = g.account_key and g.as_of >= s.from_day and (s.to_day is null or g.as_of < s.to_day)
left join contacts as c
    on c.account_key = g.account_key and g.as_of >= c.from_day and (c.to_day is null or g.as_of < c.to_day)
left join meta.account_brand as b on b.account_key = g.account_key
left join products as p on p.account_key = g.account_key and p.as_of = g.as_of
left join served as v on v.account_key = g.account_key and v.as_of = g.as_of
left join paid as i on i.account_key = g.account_key and i.as_of = g.as_of
left join agreed as a on a.account_key = g.account_key and a.as_of = g.as_of
left join signed as w on w.account_key = g.account_key and w.as_of = g.as_of
