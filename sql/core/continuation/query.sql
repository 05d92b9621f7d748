-- Purpose: which won deal continues which term, per product, by which method and with what confidence.
-- Grain: term, deal, product of the deal. Inputs: agreed terms, contract lines, deals, families, plan rates, answers.
-- Window: none. Caveats: each product of a deal continues one term, the nearest by the most reliable method. If one
-- deal continues several terms, its amount is divided by target. An addition of less than half of the active ARR, or
-- with a different contract number, continues nothing, unless it starts as a term without successor ends.
-- sql/DECISIONLOG.md explains the methods.
with families as (
    select account_key, ultimate_parent_key from core.account_family
),

scope as (
    select distinct f.account_key, f.ultimate_parent_key
    from families as f
    join families as w on w.ultimate_parent_key = f.ultimate_parent_key
    where (cast(:accounts as text[]) is null or w.account_key = any(cast(:accounts as text[])))
),

terms as (
    select t.*, s.ultimate_parent_key
    from core.agreed_term as t
    join scope as s on s.account_key = t.account_key
),

rates as (
    select * from meta.plan_rate
),

-- A line that another way splits into several periods is one line, identified by its first.
lines as (
    select
        l.*,
        s.ultimate_parent_key,
        round(l.arr * r.rate, 2) as worth
    from core.contract_line as l
    join scope as s on s.account_key = l.account_key
    join rates as r on r.currency = l.currency and l.active_from >= r.from_day and l.active_from < r.to_day
    where (l.is_committed or l.status = 'copy') and not l.line_key ~ '~[0-9]+$'
),

opportunities as (
    select o.*
    from core.opportunity as o
    join scope as s on s.account_key = o.account_key
),

answers as (
    select term_id, opportunity_key, is_match
    from meta.renewal_answer
    where known_from <= :known_at and (known_to is null or known_to > :known_at)
),

term_lines as (
    select
        t.term_id,
        l.line_key,
        l.opportunity_key,
        l.product_key,
        l.way,
        l.worth,
        l.quantity
    from terms as t
    join lines as l
        on l.account_key = t.account_key
        and l.contract_key = t.contract_key
        and l.status <> 'copy'
        and (l.term_end = t.due_date or (t.is_evergreen and l.is_evergreen))
),

term_products as (
    select term_id, product_key, min(way) as way, sum(worth) as worth, sum(quantity) as quantity
    from term_lines
    group by term_id, product_key
),

term_worth as (
    select term_id, sum(worth) as worth, sum(quantity) as quantity from term_products group by term_id
),

-- A line that starts where a line of another product of its deal ends: the next year of a ramp, under another name.
-- Unless a term of that product is due.
next_steps as (
    select l.opportunity_key, l.product_key, l.term_start
    from lines as l
    join lines as o
        on o.opportunity_key = l.opportunity_key and o.product_key <> l.product_key
        and o.term_start < l.term_start and o.term_end between l.term_start - 1 and l.term_start + 1
    where o.arr > 0 and o.status <> 'copy' and not o.is_addition
        and not exists (
            select 1
            from terms as t
            join term_products as p on p.term_id = t.term_id and p.product_key = l.product_key
            where t.account_key = l.account_key and t.opportunity_key <> l.opportunity_key
        )
),

-- The first day of each product of a deal, and each later one on which another term of the product is due, where no
-- line of the deal ends: one quote that renews contracts which end one after the other.
deal_starts as (
    select l.opportunity_key, l.product_key, min(l.term_start) as starts_on, false as is_later
    from lines as l
    where l.arr > 0 and l.status <> 'copy' and not l.is_addition
    group by l.opportunity_key, l.product_key
    having not exists (
        select 1 from next_steps as n
        where n.opportunity_key = l.opportunity_key and n.product_key = l.product_key
            and n.term_start = min(l.term_start)
    )
    union all
    select l.opportunity_key, l.product_key, l.term_start, true
    from lines as l
    join terms as t on t.account_key = l.account_key and t.due_date between l.term_start - 1 and l.term_start + 1
    join term_products as p on p.term_id = t.term_id and p.product_key = l.product_key
    left join lines as o
        on o.opportunity_key = l.opportunity_key and o.product_key = l.product_key and o.line_key <> l.line_key
        and o.status <> 'copy' and (o.arr > 0 or o.term_end = l.term_start)
    where l.arr > 0 and l.status <> 'copy' and not l.is_addition and t.opportunity_key <> l.opportunity_key
    group by l.opportunity_key, l.product_key, l.term_start
    having min(o.term_start) < l.term_start
        and max(case when o.term_end between l.term_start - 1 and l.term_start + 1 then 1 else 0 end) = 0
),

-- A deal's amount per product on the first day of that product; later steps are contracted expansion.
deals as (
    select
        l.opportunity_key,
        l.product_key,
        min(l.account_key) as account_key,
        min(l.ultimate_parent_key) as ultimate_parent_key,
        min(l.contract_key) as contract_key,
        min(l.way) as way,
        s.starts_on,
        s.is_later,
        max(coalesce(l.term_end, cast('2100-12-31' as date))) as ends_on,
        min(l.committed_on) as committed_on,
        sum(case when l.term_start = s.starts_on then l.worth else 0 end) as worth,
        sum(case when l.term_start = s.starts_on then l.quantity end) as quantity
    from lines as l
    join deal_starts as s on s.opportunity_key = l.opportunity_key and s.product_key = l.product_key
    where l.arr > 0 and l.status <> 'copy' and not l.is_addition
    group by l.opportunity_key, l.product_key, s.starts_on, s.is_later
),

-- The deal or line that a deal, or one of its lines, names as renewed.
referred as (
    select x.term_id, o.opportunity_key
    from opportunities as o
    join term_lines as x on x.opportunity_key = o.renews_key
    union
    select x.term_id, l.opportunity_key
    from lines as l
    join term_lines as x on x.line_key = l.replaces_key
),

renewing as (
    select distinct d.opportunity_key, d.ultimate_parent_key, d.starts_on
    from deals as d
    join opportunities as o on o.opportunity_key = d.opportunity_key
    where o.opportunity_type = 'renewal'
),

-- Candidate pairs of terms and deals: those of the account; of the family, named deals, same numbers, and renewals near
-- the due date. A large family has millions of other pairs.
met as (
    select t.term_id, d.opportunity_key
    from terms as t
    join deals as d on d.account_key = t.account_key
    union
    select term_id, opportunity_key from referred
    union
    select t.term_id, a.opportunity_key
    from terms as t
    join answers as a on a.term_id = t.term_id
    union
    select t.term_id, d.opportunity_key
    from terms as t
    join deals as d on d.ultimate_parent_key = t.ultimate_parent_key and d.contract_key = t.contract_key
    union
    select t.term_id, d.opportunity_key
    from terms as t
    join renewing as d
        on d.ultimate_parent_key = t.ultimate_parent_key
        and d.starts_on >= t.due_date - 31
        and (t.is_auto_renew or d.starts_on <= t.due_date + t.grace_days)
),

-- The first announced end of a term: a notice, or a lost renewal deal of its contract or without a number.
cancelled as (
    select t.term_id, min(o.said_on) as said_on
    from terms as t
    join (
        select account_key, contract_key, has_number, renews_key, notice_given_on as said_on
        from opportunities
        where notice_given_on is not null and not is_deleted
        union all
        select account_key, contract_key, has_number, renews_key, close_date
        from opportunities
        where opportunity_type = 'renewal' and is_closed and not is_won and not is_deleted
    ) as o
        on o.account_key = t.account_key
        and o.said_on > t.term_start
        and (t.is_auto_renew or o.said_on <= t.due_date + t.grace_days)
    where o.contract_key = t.contract_key or o.renews_key = t.opportunity_key or not o.has_number
    group by t.term_id
),

pairs as (
    select
        t.term_id,
        t.due_date,
        t.term_start,
        t.grace_days,
        t.is_evergreen,
        t.is_auto_renew,
        t.cancelled_from,
        t.rolls_until,
        p.product_key as ended_product,
        p.worth as ended_worth,
        d.opportunity_key,
        d.account_key as next_account_key,
        d.product_key,
        d.starts_on,
        d.is_later,
        d.ends_on,
        d.worth,
        o.opportunity_type,
        d.product_key = p.product_key or d.product_key = '' or p.product_key = '' as is_same_product,
        d.account_key = t.account_key as is_same_account,
        d.way = 'billing' and p.way = 'billing'
            and split_part(d.opportunity_key, ':', 1) <> split_part(t.term_id, ':', 1) as is_other_system,
        d.contract_key = t.contract_key as is_same_contract,
        o.has_number and t.has_number as both_numbered,
        r.term_id is not null as is_referred,
        coalesce(d.quantity >= p.quantity, d.worth >= p.worth) as is_whole,
        c.said_on,
        a.is_match
    from met as m
    join terms as t on t.term_id = m.term_id
    join term_products as p on p.term_id = m.term_id
    join deals as d
        on d.opportunity_key = m.opportunity_key
        and d.ultimate_parent_key = t.ultimate_parent_key
        and d.starts_on > t.term_start
    join opportunities as o on o.opportunity_key = d.opportunity_key
    left join referred as r on r.term_id = m.term_id and r.opportunity_key = m.opportunity_key
    left join cancelled as c on c.term_id = t.term_id
    left join answers as a on a.term_id = t.term_id and a.opportunity_key in (d.opportunity_key, '*')
    where not exists (
        select 1 from term_lines as x where x.term_id = t.term_id and x.opportunity_key = d.opportunity_key
    )
),

-- A deal in time starts in the term or in the grace after it. For an auto-renewing term it may start at any time after,
-- or until the grace of the end for which the term was cancelled.
timed as (
    select
        *,
        coalesce(
            starts_on <= due_date + grace_days
            or (is_auto_renew and said_on is null)
            or (is_auto_renew and starts_on <= due_date + cast(
                grace_days
                    + (due_date - term_start) * ceil(greatest(said_on - due_date, 0) / (1.0 * (due_date - term_start)))
                as integer
            )),
            true
        ) as is_in_time,
        -- An expansion within an automatic term is not at its end.
        coalesce(
            starts_on >= due_date - 1
            and not (is_auto_renew and opportunity_type = 'expansion' and starts_on > due_date + 1),
            false
        ) as is_at_end,
        case
            when due_date is null then coalesce(abs(starts_on - cancelled_from), 100000)
            when is_auto_renew and starts_on > due_date then mod(starts_on - due_date, due_date - term_start)
            else abs(starts_on - due_date)
        end as distance
    from pairs
    where is_match is distinct from false
        -- A deal that ends before the term does replaces it only if somebody says so.
        and (is_match or is_evergreen or ends_on > due_date or is_referred or opportunity_type = 'renewal')
),

methods as (
    select
        *,
        case
            when is_match then 'answer'
            when is_referred then 'reference'
            when is_same_account and is_same_contract and both_numbered
                and (opportunity_type = 'renewal' or (is_at_end and opportunity_type <> 'expansion')
                    or (is_at_end and is_same_product)
                    or (is_same_product and opportunity_type <> 'expansion' and is_in_time
                        and (opportunity_type <> 'unknown' or worth >= ended_worth / 2)))
                then 'number'
            when is_same_account and opportunity_type = 'renewal' and is_in_time and both_numbered
                then 'renewal_renumbered'
            when is_same_account and opportunity_type = 'renewal' and is_in_time and is_auto_renew
                and not coalesce(said_on <= starts_on, false) and starts_on > due_date + 1
                then 'renewal_of_automatic'
            when is_same_account and opportunity_type = 'renewal' and is_in_time and starts_on < due_date - 92
                then 'renewal_early'
            when is_same_account and opportunity_type = 'renewal' and is_in_time then 'renewal'
            when is_same_account and is_same_product and is_at_end and is_in_time and not is_evergreen
                and not (opportunity_type = 'new' and both_numbered)
                then 'product'
            when is_same_account and is_same_product and is_in_time and not is_evergreen and not is_at_end
                and not (opportunity_type <> 'renewal' and both_numbered)
                and case opportunity_type
                    when 'expansion' then is_whole
                    when 'new' then worth >= ended_worth
                    else worth >= ended_worth / 2
                end
                then 'product'
            when is_same_account and is_same_product and opportunity_type = 'new' and both_numbered
                and is_at_end and distance <= 7 and not is_auto_renew
                then 'product_renumbered'
            -- Another billing system took it over: created there before the cancellation here, or a few days after.
            when is_same_account and is_other_system and starts_on between cancelled_from - 31 and cancelled_from + 7
                and worth between ended_worth / 2 and ended_worth * 2
                then 'system_changed'
            -- An evergreen contract is changed by cancelling it and starting another.
            when is_same_account and cancelled_from is not null and rolls_until is not null
                and (distance <= 1
                    or (is_same_product and starts_on >= cancelled_from - 31 and starts_on <= cancelled_from + 7))
                then 'cancelled_for'
            when not is_same_account and is_same_contract and both_numbered and is_in_time then 'family_number'
            when not is_same_account and opportunity_type = 'renewal' and is_same_product and is_in_time
                and starts_on >= due_date - 31 and (not is_auto_renew or distance <= 31)
                then 'family_renewal'
            -- A deal typed as a renewal continues the ended term even if late, unless the term was known to be over
            -- before.
            when is_same_account and is_same_product and opportunity_type = 'renewal' and not is_auto_renew
                and starts_on > due_date + grace_days and starts_on <= due_date + grace_days + 92
                and not coalesce(said_on <= starts_on, false)
                then 'renewal_late'
        end as method
    from timed
),

ranked_methods as (
    select *
    from (
        values
            ('answer', 0), ('reference', 1), ('number', 2), ('renewal', 3), ('product', 4), ('family_number', 5),
            ('renewal_renumbered', 6), ('family_renewal', 7), ('product_renumbered', 8), ('renewal_early', 9),
            ('renewal_late', 10), ('renewal_of_automatic', 11), ('cancelled_for', 12), ('system_changed', 13)
    ) as m (method, surest)
),

candidates as (
    select
        m.*,
        r.surest,
        max(case when m.is_same_product then 1 else 0 end) over (partition by m.opportunity_key) = 1
            as has_same_product,
        max(case when m.is_same_product then 1 else 0 end) over (partition by m.opportunity_key, m.term_id) = 1
            as has_same_here,
        max(case when m.is_at_end and m.is_same_product and r.surest <= 3 then 1 else 0 end)
            over (partition by m.term_id, m.ended_product) = 1 as is_continued_at_end,
        min(r.surest) over (partition by m.opportunity_key) as surest_of_deal,
        min(r.surest) over (partition by m.term_id) as surest_of_term
    from methods as m
    join ranked_methods as r on r.method = m.method
),

-- Each product of a deal continues one term. Without a common product the deal continues as a whole. A term that the
-- deal names does not take the product of another term, if it has its own in the deal.
ordered as (
    select
        *,
        row_number() over (
            partition by
                opportunity_key,
                case when has_same_product then product_key else '' end,
                case when is_later then starts_on end
            order by
                case when has_same_here and not is_same_product and surest > 0 then 1 else 0 end,
                surest,
                -- A term that another deal continues with higher confidence takes this deal only if it fits no other
                -- term.
                case when surest_of_term < surest then 1 else 0 end,
                -- An active term precedes one that ended long ago.
                case when is_in_time then 0 else 1 end,
                distance,
                -- Of two terms due together, the one with the closest amount.
                abs(worth - ended_worth),
                due_date,
                term_id,
                ended_product
        ) as choice
    from candidates
    where (is_same_product or not has_same_product or surest <= 1)
        -- Another account's deal only if neither the term nor the deal has a nearer match.
        and (surest <> 7 or (surest_of_deal >= 5 and surest_of_term >= 5))
        -- A deal typed as new with a different number, or a late deal, only if there is no other match.
        and (surest not in (8, 10) or (surest_of_deal >= 8 and surest_of_term >= 8))
        -- A term renewed at its end was not replaced earlier by a deal that does not say so: that deal is an addition.
        and not (surest = 4 and not is_at_end and is_continued_at_end)
),

chosen as (
    select
        opportunity_key,
        term_id,
        min(surest) as surest,
        min(next_account_key) as next_account_key,
        min(starts_on) as starts_on,
        max(case when is_later then starts_on end) as later_from,
        max(case when is_same_product then 1 else 0 end) = 1 as is_same_product,
        max(case when is_at_end then 1 else 0 end) = 1 as is_at_end,
        max(distance) as distance
    from ordered
    where choice = 1 or surest = 0
    group by opportunity_key, term_id
),

deal_worth as (
    select opportunity_key, sum(worth) as worth, sum(quantity) as quantity from deals group by opportunity_key
),

-- Terms without a continuation, next to a renewal that is larger than its own term. A term with more than a quarter
-- left belongs to it only if, with all such terms, units or amounts add up to the renewal.
taken as (
    select c.opportunity_key, sum(w.worth) as worth, sum(w.quantity) as quantity
    from chosen as c
    join term_worth as w on w.term_id = c.term_id
    group by c.opportunity_key
),

renewed_here as (
    select distinct c.opportunity_key, c.next_account_key, c.starts_on, t.account_key
    from chosen as c
    join terms as t on t.term_id = c.term_id
    join opportunities as o on o.opportunity_key = c.opportunity_key
    where c.surest in (0, 1, 2, 3, 6, 9, 10, 11) and o.opportunity_type = 'renewal'
),

-- In two steps: in one, PostgreSQL may first join all deals to all terms with the same product.
shared_products as (
    select distinct p.term_id, p.opportunity_key
    from (
        select distinct c.opportunity_key, t.term_id, p.product_key
        from renewed_here as c
        join terms as t on t.account_key = c.account_key
        join term_products as p on p.term_id = t.term_id
        where not exists (select 1 from chosen as x where x.term_id = t.term_id)
    ) as p
    join deals as d on d.opportunity_key = p.opportunity_key and d.product_key = p.product_key
),

left_over as (
    select
        t.term_id,
        c.opportunity_key,
        c.next_account_key,
        w.worth,
        w.quantity,
        c.starts_on >= t.due_date - 92 as is_near,
        row_number() over (partition by t.term_id order by abs(c.starts_on - t.due_date), c.opportunity_key) as choice
    from terms as t
    join term_worth as w on w.term_id = t.term_id and w.worth > 0
    join renewed_here as c
        on c.account_key = t.account_key
        and c.starts_on > t.term_start
        and c.starts_on <= t.due_date + t.grace_days
    where (c.starts_on >= t.due_date - 92 or exists (
        select 1 from shared_products as p where p.term_id = t.term_id and p.opportunity_key = c.opportunity_key
    ))
        and not exists (select 1 from chosen as x where x.term_id = t.term_id)
        and not exists (select 1 from answers as a where a.term_id = t.term_id and not a.is_match)
        and not exists (
            select 1 from opportunities as n
            where n.account_key = t.account_key and n.contract_key = t.contract_key
                and (n.notice_given_on is not null or (n.opportunity_type = 'renewal' and n.is_closed and not n.is_won))
        )
        and not exists (
            select 1 from term_lines as x where x.term_id = t.term_id and x.opportunity_key = c.opportunity_key
        )
),

consolidated as (
    select l.*
    from (
        select
            *,
            sum(worth) over (
                partition by opportunity_key order by is_near desc, worth desc, term_id rows unbounded preceding
            ) as worth_so_far,
            sum(worth) over (partition by opportunity_key) as worth_of_all,
            sum(quantity) over (partition by opportunity_key) as quantity_of_all
        from left_over
        where choice = 1
    ) as l
    join deal_worth as d on d.opportunity_key = l.opportunity_key
    join taken as k on k.opportunity_key = l.opportunity_key
    where (l.is_near and d.worth - k.worth >= l.worth_so_far - l.worth / 2)
        or (d.worth > k.worth and (
            (d.quantity - k.quantity = l.quantity_of_all and d.worth - k.worth >= l.worth_of_all / 2)
            or abs(d.worth - k.worth - l.worth_of_all) <= d.worth / 100
        ))
),

all_links as (
    select
        c.opportunity_key,
        c.term_id,
        r.method,
        c.next_account_key,
        c.later_from,
        c.is_same_product,
        case
            when c.surest <= 1 then 1.0
            when c.surest = 2 then 0.98
            when c.surest in (6, 9) then 0.75
            when c.surest = 3 then case when c.is_same_product then 0.9 else 0.7 end
            when c.surest = 4 and c.is_at_end then case when c.distance <= 7 then 0.85 else 0.75 end
            when c.surest = 4 then 0.65
            when c.surest = 5 then 0.9
            when c.surest in (8, 10) then 0.7
            when c.surest in (12, 13) then case when c.distance <= 1 then 0.85 else 0.75 end
            when c.surest = 11 then case when c.is_same_product and c.distance <= 7 then 0.85 else 0.75 end
            else 0.6
        end as confidence
    from chosen as c
    join ranked_methods as r on r.surest = c.surest
    union all
    select opportunity_key, term_id, 'consolidated', next_account_key, null, true, 0.7 from consolidated
),

-- Cancelled within a term, and not at its end.
cut_within as (
    select t.term_id
    from terms as t
    join opportunities as o on o.opportunity_key = t.opportunity_key and o.term_months > 0
    join meta.calendar as s on s.day = t.term_start
    join meta.calendar as e on e.day = t.cancelled_from
    where e.day_of_month <> least(s.day_of_month, e.days_in_month)
        or mod(e.month_no - s.month_no, o.term_months) <> 0
),

-- Two deals that are each as large as the whole term look like one renewal that was won twice.
won_twice as (
    select l.term_id
    from all_links as l
    join deal_worth as d on d.opportunity_key = l.opportunity_key
    join term_worth as t on t.term_id = l.term_id
    where d.worth >= 0.9 * t.worth
    group by l.term_id
    having count(distinct l.opportunity_key) > 1
),

links as (
    select
        l.opportunity_key,
        l.term_id,
        l.method,
        l.next_account_key,
        l.later_from,
        l.is_same_product,
        case when w.term_id is not null and l.method <> 'answer' then least(l.confidence, 0.7) else l.confidence end
            as confidence
    from all_links as l
    left join won_twice as w on w.term_id = l.term_id
),

-- Each deal's amount per product and currency on its first day, and each term's share of it.
brought as (
    select
        l.opportunity_key,
        l.product_key,
        l.currency,
        s.starts_on,
        s.is_later,
        max(coalesce(l.term_end, cast('2100-12-31' as date))) as ends_on,
        min(l.committed_on) as committed_on,
        sum(l.arr) as arr,
        case when count(l.list_arr) = count(*) then sum(l.list_arr) end as list_arr
    from lines as l
    join deal_starts as s on s.opportunity_key = l.opportunity_key and s.product_key = l.product_key
    where l.status <> 'copy' and l.term_start = s.starts_on
        and coalesce(l.term_end, l.active_to) > s.starts_on
    group by l.opportunity_key, l.product_key, l.currency, s.starts_on, s.is_later
),

weights as (
    select
        k.*,
        b.product_key,
        b.currency,
        b.starts_on,
        b.ends_on,
        b.committed_on,
        b.arr,
        b.list_arr,
        coalesce(sum(p.worth), 0) as target,
        max(w.worth) as whole
    from links as k
    join brought as b
        on b.opportunity_key = k.opportunity_key
        and case when k.later_from is null then not b.is_later else b.starts_on = k.later_from end
    join term_worth as w on w.term_id = k.term_id
    left join term_products as p
        on p.term_id = k.term_id and (p.product_key = b.product_key or p.product_key = '' or b.product_key = '')
    group by
        k.opportunity_key, k.term_id, k.method, k.next_account_key, k.later_from, k.is_same_product, k.confidence,
        b.product_key, b.currency, b.starts_on, b.ends_on, b.committed_on, b.arr, b.list_arr
),

-- A term whose products the deal does not name is part of the products that no other term has, else of all.
claimed as (
    select
        *,
        case
            when not is_elsewhere then target
            when targeted = 0 or min(targeted) over (partition by opportunity_key) > 0 then whole
            else 0
        end as claim
    from (
        select
            *,
            max(target) over (partition by opportunity_key, term_id) = 0 as is_elsewhere,
            sum(target) over (partition by opportunity_key, product_key, currency, starts_on) as targeted
        from weights
    ) as w
),

shares as (
    select
        *,
        case
            when sum(claim) over w > 0 then claim / sum(claim) over w
            when sum(whole) over w > 0 then whole / sum(whole) over w
            else cast(1 as numeric) / count(*) over w
        end as share
    from claimed
    window w as (partition by opportunity_key, product_key, currency, starts_on)
),

converted as (
    select
        s.*,
        t.account_key,
        t.contract_key,
        t.due_date,
        coalesce(t.agreed_end, t.due_date) as agreed_end,
        s.arr * s.share * r.rate as renewed_arr,
        s.list_arr * s.share * r.rate as renewed_list_arr
    from shares as s
    join terms as t on t.term_id = s.term_id
    join rates as r
        on r.currency = s.currency
        and coalesce(t.due_date, s.starts_on) >= r.from_day and coalesce(t.due_date, s.starts_on) < r.to_day
    where s.share > 0
),

-- A deal without countable days, such as a copy, that a person links to a term: it renews the term with the amounts
-- that it repeats, else flat, until its dates are set.
answered as (
    select
        t.term_id,
        o.opportunity_key,
        o.account_key as next_account_key,
        o.close_date as committed_on,
        coalesce(c.worth, w.worth) as arr
    from answers as a
    join terms as t on t.term_id = a.term_id and t.due_date is not null and not t.is_auto_renew
    join opportunities as o on o.opportunity_key = a.opportunity_key and o.is_won and not o.is_deleted
    join term_worth as w on w.term_id = t.term_id
    left join (
        select opportunity_key, sum(worth) as worth from lines where status = 'copy' group by opportunity_key
    ) as c on c.opportunity_key = o.opportunity_key
    where a.is_match and not exists (select 1 from deals as d where d.opportunity_key = o.opportunity_key)
),

-- A copy of the term's own lines, sold again: the renewal, with its dates not set. Of several the first.
all_copies as (
    select
        x.term_id,
        c.opportunity_key,
        c.product_key,
        min(c.account_key) as next_account_key,
        min(c.committed_on) as committed_on,
        sum(c.arr * r.rate) as arr,
        case when count(c.list_arr) = count(*) then sum(c.list_arr * r.rate) end as list_arr,
        row_number() over (
            partition by x.term_id, c.product_key order by min(c.committed_on), c.opportunity_key
        ) as choice
    from lines as c
    join term_lines as x on x.line_key = c.copy_of
    join terms as t on t.term_id = x.term_id
    join opportunities as o on o.opportunity_key = c.opportunity_key
    join rates as r on r.currency = c.currency and t.due_date >= r.from_day and t.due_date < r.to_day
    where c.status = 'copy'
        and (o.opportunity_type = 'renewal'
            or c.committed_on > t.term_start + cast(floor((t.due_date - t.term_start) / 2.0) as integer))
        and not exists (select 1 from links as k where k.term_id = x.term_id)
        and not exists (
            select 1 from answered as y where y.term_id = x.term_id or y.opportunity_key = c.opportunity_key
        )
        and not exists (
            select 1 from answers as a
            where a.term_id = x.term_id and a.opportunity_key in (c.opportunity_key, '*') and not a.is_match
        )
    group by x.term_id, c.opportunity_key, c.product_key
),

copies as (
    select * from all_copies where choice = 1
),

days_of_deals as (
    select
        l.opportunity_key,
        max(case when l.status in ('error_dates', 'error_no_start', 'error_currency') then 0 else 1 end) = 1
            as is_usable,
        max(case when l.status = 'error_currency' then 1 else 0 end) = 1 as has_no_rate
    from core.contract_line as l
    join scope as s on s.account_key = l.account_key
    group by l.opportunity_key
),

-- A won renewal that cannot be placed: it has no dates, an end before the start, or a currency without a plan rate. It
-- belongs to the term of the deal that it names, else to the account's term due nearest to its close date. It is flat
-- until its dates are set; without a rate its amount is not known.
without_dates as (
    select
        t.term_id,
        coalesce(x.has_no_rate, false) as has_no_rate,
        o.opportunity_key,
        o.account_key as next_account_key,
        o.close_date as committed_on,
        w.worth as arr,
        row_number() over (
            partition by o.opportunity_key
            order by
                case when t.opportunity_key = o.renews_key then 0 else 1 end,
                abs(t.due_date - o.close_date),
                t.due_date,
                t.term_id
        ) as choice,
        row_number() over (
            partition by t.term_id
            order by
                case when t.opportunity_key = o.renews_key then 0 else 1 end,
                abs(t.due_date - o.close_date),
                o.opportunity_key
        ) as choice_of_term
    from opportunities as o
    join terms as t
        on t.account_key = o.account_key
        and o.close_date > t.term_start + cast(floor((t.due_date - t.term_start) / 2.0) as integer)
        and o.close_date <= t.due_date + t.grace_days
        and not t.is_auto_renew
    join term_worth as w on w.term_id = t.term_id and w.worth > 0
    left join days_of_deals as x on x.opportunity_key = o.opportunity_key
    where o.is_won and not o.is_deleted
        and o.opportunity_key <> t.opportunity_key
        and (
            o.opportunity_type = 'renewal'
            or (x.has_no_rate and o.renews_key = t.opportunity_key)
            or (x.has_no_rate and o.has_number and t.has_number and o.contract_key = t.contract_key)
        )
        and (not o.has_number or not t.has_number or o.contract_key = t.contract_key)
        and coalesce(not x.is_usable, o.amount > 0)
        and not exists (select 1 from links as k where k.term_id = t.term_id)
        and not exists (select 1 from copies as c where c.term_id = t.term_id)
        and not exists (
            select 1 from answered as y where y.term_id = t.term_id or y.opportunity_key = o.opportunity_key
        )
        and not exists (
            select 1 from answers as a
            where a.term_id = t.term_id and a.opportunity_key in (o.opportunity_key, '*') and not a.is_match
        )
)

select
    v.account_key,
    v.term_id,
    v.contract_key,
    v.due_date,
    v.opportunity_key,
    v.product_key as product,
    v.next_account_key,
    v.method,
    cast(v.confidence as double precision) as confidence,
    v.starts_on as next_start,
    max(v.ends_on) as next_end,
    min(v.committed_on) as committed_on,
    not v.is_same_product as is_whole_term,
    -- An upgrade that starts on the day to which the old term was shortened, or replaces it half-way, restarts it. With
    -- the same number, or without a type, it does so only long before the due date; later it is a renewal. A change
    -- that starts there and ends when the old term would have also restarts it: the changed term is then due.
    coalesce(
        (
            v.starts_on <= v.due_date + 1
            and (
                (v.method = 'product' and o.opportunity_type = 'expansion')
                or (v.method in ('product', 'number', 'reference') and o.opportunity_type in ('expansion', 'unknown')
                    and v.starts_on < v.agreed_end - 92)
            )
        )
        or (v.method in ('cancelled_for', 'system_changed') and w.term_id is not null)
        or (
            v.method in ('number', 'product')
            and o.opportunity_type <> 'renewal'
            and v.starts_on < v.agreed_end - 1
            and max(v.ends_on) = v.agreed_end
        ),
        false
    ) as is_restart,
    cast(round(sum(v.renewed_arr), 2) as numeric(18, 2)) as renewed_arr,
    case when count(v.renewed_list_arr) = count(*) then cast(round(sum(v.renewed_list_arr), 2) as numeric(18, 2)) end
        as renewed_list_arr,
    false as are_dates_missing
from converted as v
join opportunities as o on o.opportunity_key = v.opportunity_key
left join cut_within as w on w.term_id = v.term_id
where (cast(:accounts as text[]) is null or v.account_key = any(cast(:accounts as text[])))
group by
    v.account_key, v.term_id, v.contract_key, v.due_date, v.opportunity_key, v.product_key, v.next_account_key,
    v.method, v.confidence, v.starts_on, v.is_same_product, v.agreed_end, o.opportunity_type, w.term_id
union all
select
    t.account_key,
    c.term_id,
    t.contract_key,
    t.due_date,
    c.opportunity_key,
    c.product_key,
    c.next_account_key,
    'copy',
    0.5,
    null,
    null,
    c.committed_on,
    false,
    false,
    cast(round(c.arr, 2) as numeric(18, 2)),
    cast(round(c.list_arr, 2) as numeric(18, 2)),
    true
from copies as c
join terms as t on t.term_id = c.term_id
where (cast(:accounts as text[]) is null or t.account_key = any(cast(:accounts as text[])))
union all
select
    t.account_key,
    d.term_id,
    t.contract_key,
    t.due_date,
    d.opportunity_key,
    '',
    d.next_account_key,
    case when d.has_no_rate then 'no_rate' else 'undated' end,
    0.5,
    null,
    null,
    d.committed_on,
    true,
    false,
    case when not d.has_no_rate then cast(round(d.arr, 2) as numeric(18, 2)) end,
    null,
    not d.has_no_rate
from without_dates as d
join terms as t on t.term_id = d.term_id
where d.choice = 1 and d.choice_of_term = 1
    and (cast(:accounts as text[]) is null or t.account_key = any(cast(:accounts as text[])))
union all
select
    t.account_key,
    d.term_id,
    t.contract_key,
    t.due_date,
    d.opportunity_key,
    '',
    d.next_account_key,
    'answer',
    1.0,
    null,
    null,
    d.committed_on,
    true,
    false,
    cast(round(d.arr, 2) as numeric(18, 2)),
    null,
    true
from answered as d
join terms as t on t.term_id = d.term_id
where (cast(:accounts as text[]) is null or t.account_key = any(cast(:accounts as text[])))
