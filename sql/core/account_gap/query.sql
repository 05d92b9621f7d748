-- Purpose: contracts, contacts and tickets of an account that are unknown because their source is not read up to date.
-- Grain: account and part. Inputs: the bridge, incompletely read entities. Window: none.
-- Caveats: an account without gaps has no row. With several sources, one in its first load is ignored while another is
-- read; for tickets the desk furthest behind counts. Contracts and contacts stay valid until a change, so only an
-- unfinished first load makes them unknown.
with bridge as (
    select distinct account_key, entity, source from core.account_bridge where account_key is not null
),

parts as (
    select *
    from (
        values
            ('account', 'contract_line', 'contracts'),
            ('account', 'opportunity', 'contracts'),
            ('billing_customer', 'contract_line', 'contracts'),
            ('billing_customer', 'opportunity', 'contracts'),
            ('account', 'contact', 'contacts'),
            ('organization', 'ticket', 'tickets')
    ) as p (named_by, entity, part)
),

sources as (
    select source from meta.source
),

unread as (
    select p.part, u.source, min(u.from_day) as from_day
    from meta.unread as u
    join parts as p on p.entity = u.entity
    group by p.part, u.source
),

-- A source that was removed from the settings counts only if no other is left.
by_source as (
    select
        b.account_key,
        p.part,
        coalesce(u.from_day, cast('2100-12-31' as date)) as from_day,
        s.source is not null as is_configured,
        max(case when s.source is not null then 1 else 0 end) over (partition by b.account_key, p.part)
            as any_configured
    from bridge as b
    join (select distinct named_by, part from parts) as p on p.named_by = b.entity
    left join unread as u on u.source = b.source and u.part = p.part
    left join sources as s on s.source = b.source
),

gaps as (
    select
        account_key,
        part,
        coalesce(
            min(case when from_day > cast('1990-01-01' as date) then from_day end), cast('1990-01-01' as date)
        ) as from_day
    from by_source
    where is_configured or any_configured = 0
    group by account_key, part
)

select account_key, part, from_day
from gaps
where from_day = cast('1990-01-01' as date)
    or (part = 'tickets' and from_day < cast('2100-12-31' as date))
