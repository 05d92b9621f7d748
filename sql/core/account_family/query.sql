-- Purpose: the parent of an account, for roll-ups by family.
-- Grain: account. Inputs: accounts, the bridge. Window: none.
-- Caveats: a merged parent counts as its survivor, an unknown parent as none. Accounts whose parents form a circle are
-- each their own top, marked and reported.
with recursive accounts as (
    select account_key, crm_source, parent_key from core.account
),

bridge as (
    select * from core.account_bridge where entity = 'account'
),

parents as (
    select a.account_key, p.account_key as parent_key
    from accounts as a
    join bridge as b on b.source || ':' || b.source_id = a.parent_key
    join accounts as p on p.account_key = b.account_key
),

climbs as (
    select account_key, parent_key as ancestor_key, '|' || account_key || '|' as path
    from parents
    union all
    select c.account_key, p.parent_key, c.path || c.ancestor_key || '|'
    from climbs as c
    join parents as p on p.account_key = c.ancestor_key
    where position('|' || c.ancestor_key || '|' in c.path) = 0
),

in_circle as (
    select distinct account_key from climbs where ancestor_key = account_key
),

circles as (
    select c.account_key, min(c.ancestor_key) as circle_key
    from climbs as c
    join in_circle as i on i.account_key = c.account_key
    group by c.account_key
),

links as (
    select p.account_key, p.parent_key
    from parents as p
    left join in_circle as i on i.account_key = p.account_key
    where i.account_key is null
),

steps as (
    select account_key, account_key as top_key, 0 as depth from accounts
    union all
    select s.account_key, l.parent_key, s.depth + 1
    from steps as s
    join links as l on l.account_key = s.top_key
),

tops as (
    select *, row_number() over (partition by account_key order by depth desc) as height
    from steps
)

select
    t.account_key,
    l.parent_key,
    t.top_key as ultimate_parent_key,
    t.depth,
    cast(count(*) over (partition by t.top_key) as integer) as n_in_family,
    c.circle_key is not null as is_in_circle,
    c.circle_key
from tops as t
left join links as l on l.account_key = t.account_key
left join circles as c on c.account_key = t.account_key
where t.height = 1
