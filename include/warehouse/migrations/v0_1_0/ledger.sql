-- What people did, each action once: decisions on data, answers, corrections, judgements, approvals.
create view ops.human_action as
select 'data' as topic, decided_at as done_at, decided_by as person,
    case state when 'dropped' then 'dropped a batch' else 'accepted a batch' end as action,
    source || '.' || entity || ' ' || batch_id as subject, '' as account_key, decision_reason as reason
from meta.batch where decided_by <> ''
union all
select 'data', resolved_at, decided_by, 'dropped quarantined rows', source || ' ' || rule_id, '', decision_reason
from quarantine.record where decided_by <> '' and state = 'dropped'
group by resolved_at, decided_by, source, rule_id, decision_reason
union all
select 'data', created_at, approved_by, 'waived a rule', source || ' ' || rule_id, '', reason from quarantine.waiver
union all
select 'data', ended_at, ended_by, 'ended a waiver', source || ' ' || rule_id, '', ''
from quarantine.waiver where ended_by <> ''
union all
select 'data', created_at, created_by, 'silenced incidents', pattern, '', reason from meta.silence
union all
select 'data', ended_at, ended_by, 'ended a silence', pattern, '', '' from meta.silence where ended_by <> ''
union all
select 'customers', known_from, answered_by, case when is_match then 'matched an id' else 'unmatched an id' end,
    source || ' ' || source_id, nullif(account_key, '*'), reason
from meta.identity_answer
union all
select 'customers', known_from, answered_by, case when is_match then 'linked a renewal' else 'unlinked a renewal' end,
    term_id || ' ' || opportunity_key, account_key, reason
from meta.renewal_answer
union all
select 'data', entered_at, entered_by, 'corrected a metric, approved by ' || approved_by,
    metric_id || ' ' || period || ' ' || as_of || ' ' || grain_key, '', reason
from meta.kpi_override
union all
select 'customers', known_from, given_by, 'gave a pulse of ' || score, cast(given_on as text), account_key, why
from meta.health_pulse
union all
select 'customers', known_from, given_by, 'set health to ' || coalesce(band, cast(score as text)), from_day || ' to ' || until,
    account_key, reason
from meta.health_override where not is_remainder
union all
select 'customers', known_to, ended_by, 'ended an override', from_day || ' to ' || until, account_key, ''
from meta.health_override where ended_by <> ''
union all
select 'customers', known_from, given_by, 'called ' || amount || ' for the quarter from ' || quarter_start, owner_key,
    '', ''
from meta.forecast_call
union all
select 'customers', known_from, asked_by, 'asked for a discount of ' || round(cast(depth * 100 as numeric), 1) || ' percent',
    renewal_id, account_key, why
from meta.discount_request
union all
select 'customers', answered_at, answered_by, state || ' a discount of ' || round(cast(depth * 100 as numeric), 1) || ' percent',
    renewal_id, account_key, note
from meta.discount_request where answered_by not in ('', asked_by)
union all
select 'customers', known_from, person, 'labelled a ticket ' || label, ticket_key, '', ''
from meta.ticket_label where labelled_by = 'agent'
union all
select 'customers', known_from, entered_by, case when ticket_key is null then 'entered a request for ' || request
    else 'assigned a ticket to the request ' || request end, coalesce(ticket_key, ''), account_key, note
from meta.request_entry
union all
select 'customers', known_from, changed_by, case when merged_into = '' then 'took it out of another request'
    when merged_into is not null then 'merged it into ' || merged_into
    else 'set it to ' || concat_ws(', ', kind, state) end, request, '', note
from meta.request_change
union all
select 'customers', answered_at, answered_by, state || ' ' || about, approval_id, '', note
from ops.approval where answered_by <> ''
union all
select 'customers', cast(refusal ->> 'at' as timestamptz), refusal ->> 'by', 'gave an answer that did not count', approval_id, '',
    refusal ->> 'reason'
from ops.approval cross join jsonb_array_elements(refusals) as refusal
union all
select 'customers', made_at, approved_by, 'approved a customer''s report', period || ' edition ' || edition, account_key,
    next_steps
from ops.customer_report where approved_by <> ''
union all
select 'data', changed_at, changed_by, case when is_on_hold then 'put a channel on hold' else 'released a channel' end,
    channel, '', reason
from ops.channel where changed_by <> ''
union all
select 'data', erased_at, asked_by, 'erased ' || kind, 'erasure ' || erasure_id, '', reason from meta.erasure;
