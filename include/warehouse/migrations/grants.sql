-- Runs after each migration.
--
-- All roles but the editor read. The loader writes extracted data, the builder writes built tables and decisions, the
-- editor what people enter on the pages.
grant select on all tables in schema quarantine, meta, ops to perennial_loader, perennial_builder, perennial_reader;
-- Encrypted tokens of vendors: only what calls vendors reads them.
revoke all on meta.shared_state from perennial_builder, perennial_reader;

grant insert, update, delete on
    quarantine.record, quarantine.waiver,
    meta.batch, meta.cursor, meta.rule_result, meta.source_failure, meta.dirty_range, meta.history, meta.reconciliation,
    meta.source_schema, meta.schema_change, meta.account_merge_history,
    meta.verdict, meta.source_check, meta.feature_hold, meta.event_seen,
    meta.incident, meta.notification, meta.silence, meta.notice
    to perennial_loader;
grant insert, delete on meta.housekeeping to perennial_loader;
grant insert, update, delete on meta.shared_state to perennial_loader;

grant insert, update, delete on
    meta.build, meta.build_model, meta.build_change, meta.build_dirty, meta.check_result, meta.model_fingerprint,
    meta.frozen, meta.unread, meta.metric_gap,
    meta.source, meta.feature, meta.scored_feature, meta.grace_days, meta.exclusion, meta.plan_rate, meta.urgent_limit,
    meta.sla_target,
    meta.closed_day, meta.lead_standard, meta.forecast_category, meta.shared_domain, meta.tier_policy, meta.account_brand,
    meta.identity_answer, meta.renewal_answer, meta.former_continuation, meta.former_health_input,
    meta.kpi_restatement, meta.metric_definition, meta.kpi_override,
    meta.health_change, meta.health_backtest, meta.health_backtest_method, meta.experiment_reading,
    meta.feature_effect, meta.feature_unused, meta.ticket_label, meta.triage_model, meta.qa_cluster, meta.request_hint,
    meta.request_entry, meta.release_goal, meta.release_adoption
    to perennial_builder;
grant insert, update, delete on all tables in schema ops to perennial_builder;
revoke update, delete on ops.report, ops.customer_report, ops.touch_list, ops.touch_contact from perennial_builder;
grant insert, update (built_by) on meta.dirty_range to perennial_builder;
grant select, insert on meta.health_pulse, meta.health_override, meta.forecast_call to perennial_editor;
grant update (known_to) on meta.health_pulse, meta.health_override, meta.forecast_call to perennial_editor;
grant update (ended_by) on meta.health_override to perennial_editor;
grant select, insert, update (state, answered_by, answered_at, note) on meta.discount_request to perennial_editor;
grant select, insert on meta.request_entry, meta.request_change to perennial_editor;
grant select on meta.build, ops.customer_report to perennial_editor;
grant insert on ops.customer_report to perennial_editor;
