-- Purpose: number of events per person, event name and day.
-- Grain: customer, person, event and day in UTC, which is the reporting zone here.
select
    customer_no || '|' || person || '|' || name || '|' || cast(at at time zone 'UTC' as date) as id,
    cast(customer_no as text) as account_id,
    customer_no || '|' || person as user_id,
    name as feature,
    cast(at at time zone 'UTC' as date) as day,
    count(*) as n_events,
    max(at) as updated_at
from events
group by customer_no, person, name, cast(at at time zone 'UTC' as date)
