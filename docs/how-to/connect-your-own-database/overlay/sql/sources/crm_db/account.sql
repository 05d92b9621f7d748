-- Purpose: companies. The owner is the representative of the company's newest lead.
-- Grain: company.
with newest_leads as (
    select distinct on (account_id) account_id, owner_rep_id, lead_created_at
    from leads
    order by account_id, lead_created_at desc, lead_id desc
)

select
    a.account_id as id,
    a.company_name as name,
    a.industry,
    a.region,
    case a.employee_band when '200-499' then 'small' when '500-999' then 'medium' else 'large' end as tier,
    l.owner_rep_id as owner_id,
    a.created_at::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from accounts as a
left join newest_leads as l on l.account_id = a.account_id
