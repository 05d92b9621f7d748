-- Purpose: the customers of Stripe, and the CRM account of each.
-- Grain: one row per customer.
-- Tables: those of parts/.
-- Caveat: a customer without the CRM's id is matched by the domain of its billing address, if exactly one account has
-- that domain.
select
    id,
    name,
    crm_account_id,
    nullif(split_part(lower(email), '@', 2), '') as domain,
    created as created_at,
    cast(null as timestamptz) as updated_at,
    is_deleted
from stripe_customers
where is_live
