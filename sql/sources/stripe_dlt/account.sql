-- Purpose: the customers of Stripe, and which account of the CRM each is.
-- Grain:   one row per customer.
-- Tables:  as dlt's source `stripe_analytics` lands them (github.com/dlt-hub/verified-sources);
--          found through the login's search_path. Columns that are missing there are read as empty.
-- Caveats: `crm_account_id` is the name under which your Stripe customers carry the CRM's id: correct it here. A
--          customer without it is matched by the domain of its billing address, if exactly one account has that.
select
    c ->> 'id' as id,
    coalesce(c ->> 'name', c ->> 'description') as name,
    coalesce(
        c ->> 'metadata__crm_account_id',
        c ->> 'metadata__hubspot_company_id',
        c ->> 'metadata__salesforce_account_id'
    ) as crm_account_id,
    nullif(split_part(lower(c ->> 'email'), '@', 2), '') as domain,
    to_timestamp(cast(c ->> 'created' as double precision)) as created_at,
    cast(null as timestamptz) as updated_at,
    coalesce(cast(c ->> 'is_deleted' as boolean), false) as is_deleted
from (select to_jsonb(t) as c from customer as t) as t
where coalesce(cast(c ->> 'livemode' as boolean), true)
