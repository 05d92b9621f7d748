-- Purpose: product accounts, which are the customers themselves here.
-- Grain: customer.
select
    cast(customer_no as text) as id,
    company as name,
    cast(customer_no as text) as crm_account_id,
    joined::timestamptz as created_at,
    joined::timestamptz as updated_at
from customers
