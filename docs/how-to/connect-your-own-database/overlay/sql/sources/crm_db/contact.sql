-- Purpose: people at the companies, with their role in the purchase. leadforge generates no names or addresses.
-- Grain: person.
select
    contact_id as id,
    account_id,
    job_title,
    case buyer_role
        when 'economic_buyer' then 'decision_maker'
        when 'champion' then 'champion'
        when 'end_user' then 'user'
        else 'user'
    end as role,
    created_at::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from contacts
