-- Purpose: the accounts of the product; here they are the customers themselves.
-- Grain:   customer.
select
    cast(customer_no as text) as id,
    company as name,
    cast(customer_no as text) as crm_account_id,
    joined::timestamptz as created_at,
    joined::timestamptz as updated_at
from customers
