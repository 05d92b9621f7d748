-- Purpose: customers.
-- Grain:   customer.
select
    cast(customer_no as text) as id,
    company as name,
    country as region,
    joined::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from customers
