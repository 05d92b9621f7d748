-- Purpose: the people who appear in the events. The data has no other details about them.
-- Grain: person of a customer.
select
    customer_no || '|' || person as id,
    cast(customer_no as text) as account_id,
    min(at) as activated_at,
    min(at) as created_at,
    max(at) as updated_at
from events
group by customer_no, person
