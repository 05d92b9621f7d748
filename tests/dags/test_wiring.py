"""Dependencies between tasks and between DAGs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from include.entities.catalog import of_kind
from include.models import registry
from include.orchestration.assets import DECISIONS, KPIS, OUTBOX, SOURCES
from include.orchestration.build_tasks import grouped
from tests.dags.conftest import ROOT

INGEST = {
    "ingest_crm": ("crm", "crm"),
    "ingest_support": ("support", "support"),
    "ingest_product": ("product_db", "product"),
}


def extracts_of(kind: str) -> set[str]:
    """Return one extract task per common entity, and one for all optional entities."""
    entities = of_kind(kind)  # type: ignore[arg-type]
    always = {f"extract_{entity.name}" for entity in entities if not entity.is_optional}
    return always | ({"extract_optional"} if any(entity.is_optional for entity in entities) else set())


@pytest.mark.parametrize("name", INGEST)
class TestIngest:
    def test_ingest_order_is_extract_validate_merge_publish_show(self, dags, name):
        dag, (_, kind) = dags[name], INGEST[name]
        extracts = extracts_of(kind)
        assert dag.task_dict.keys() == extracts | {"validate", "merge", "publish", "show_verdict"}
        # A line gets its account from its deal, so deals read before need no lookup.
        after = {"extract_contract_line"} & extracts
        assert {task.task_id for task in dag.roots} == extracts - after
        for name in after:
            assert dag.task_dict[name].upstream_task_ids == {"extract_opportunity"}
            assert dag.task_dict[name].trigger_rule == "all_done"
        assert dag.task_dict["validate"].upstream_task_ids == extracts
        assert dag.task_dict["merge"].upstream_task_ids == {"validate"}
        assert dag.task_dict["publish"].upstream_task_ids == {"merge"}

    def test_verdict_is_published_after_any_failure(self, dags, name):
        publish = dags[name].task_dict["publish"]
        assert publish.trigger_rule == "all_done"
        assert publish.outlets == [SOURCES[INGEST[name][0]]]
        assert dags[name].task_dict["validate"].trigger_rule == "all_done"

    def test_only_leaf_fails_if_any_task_failed(self, dags, name):
        (leaf,) = dags[name].leaves
        assert leaf.task_id == "show_verdict"
        assert leaf.trigger_rule == "all_success"
        assert leaf.upstream_task_ids == dags[name].task_dict.keys() - {"show_verdict"}

    def test_ingest_runs_on_plain_cron_without_partitions(self, dags, name):
        assert dags[name].timetable.expression == "*/15 * * * *"
        assert type(dags[name].timetable).__name__ == "CronTriggerTimetable"


# Builds of their own: they neither wait for that of the run nor stop it.
BACKFILLS = "run_backfills"


@pytest.mark.parametrize(("name", "end"), [("build_kpis", "publish_kpis"), ("rebuild_kpis", "finish")])
class TestBuilds:
    def test_task_graph_is_the_lineage_of_layers_and_subjects(self, dags, name, end):
        dag = dags[name]
        tasks = [task for task in dag.tasks if task.task_id not in ("plan", end, BACKFILLS)]
        task_of = {model: task.task_id for task in tasks for model in task.op_args[0]}
        assert sorted(task_of) == sorted(registry.names())
        assert task_of["core.renewal"] == "core_renewals" and len(dag.tasks) < 30
        assert dag.task_dict.keys() - {BACKFILLS} == {*task_of.values(), "plan", end}
        found = {
            (task.task_id, downstream)
            for task in dag.tasks
            for downstream in task.downstream_task_ids
            if task.task_id != "plan" and downstream != end
        }
        edges = {(task_of[parent], task_of[model]) for parent, model in registry.edges()}
        assert found == {(one, other) for one, other in edges if one != other}

    def test_failed_task_stops_only_the_end(self, dags, name, end):
        dag = dags[name]
        models = dag.task_dict.keys() - {"plan", end, BACKFILLS}
        assert {task for task in models if dag.task_dict[task].upstream_task_ids != {"plan"}} == {
            task for task in models if dag.task_dict[task].trigger_rule == "all_done"
        }
        assert dag.task_dict[end].upstream_task_ids == models
        assert dag.task_dict[end].trigger_rule == "all_success"

    def test_plan_runs_first_and_finish_last(self, dags, name, end):
        assert {task.task_id for task in dags[name].roots} - {BACKFILLS} == {"plan"}
        assert {task.task_id for task in dags[name].leaves} - {BACKFILLS} == {end}


def test_model_that_would_close_a_circle_of_tasks_begins_another_task(monkeypatch):
    subjects = {"core.a": "x", "core.b": "y", "core.c": "x", "core.d": "x", "core.e": "y"}
    models = {name: SimpleNamespace(metadata=SimpleNamespace(tags=[tag])) for name, tag in subjects.items()}
    monkeypatch.setattr(registry, "get", models.__getitem__)
    edges = [("core.a", "core.b"), ("core.b", "core.c"), ("core.c", "core.d"), ("core.d", "core.e")]
    assert grouped(list(subjects), edges) == {
        "core_x": ["core.a"],
        "core_y": ["core.b"],
        "core_x_later": ["core.c", "core.d"],
        "core_y_later": ["core.e"],
    }
    assert grouped(["core.a", "core.c", "core.b"], edges[:1]) == {"core_x": ["core.a", "core.c"], "core_y": ["core.b"]}


def test_builds_are_triggered_by_any_source_and_the_clock(dags):
    timetable = dags["build_kpis"].timetable
    assert type(timetable.asset_condition).__name__ == "AssetAny"
    assert set(timetable.asset_condition.objects) == set(SOURCES.values())
    assert timetable.timetable.expression == "5 * * * *"


def test_decide_follows_build_and_deliver_follows_decide(dags):
    assert dags["build_kpis"].task_dict["publish_kpis"].outlets == [KPIS]
    assert list(dags["decide"].timetable.asset_condition.objects) == [KPIS]
    assert dags["decide"].task_dict["decide_newest_day"].outlets == [OUTBOX, DECISIONS]
    assert list(dags["deliver"].timetable.asset_condition.objects) == [OUTBOX]


def test_reports_use_charts_and_risks_of_the_same_build_and_are_delivered(dags):
    dag = dags["publish_reports"]
    assert list(dag.timetable.asset_condition.objects) == [DECISIONS]
    make = dag.task_dict["make_reports"]
    assert make.upstream_task_ids == {"draw_charts", "draft_customer_reports"} and make.trigger_rule == "all_done"
    assert make.outlets == [OUTBOX]


def test_actions_above_the_caps_are_approved_in_separate_runs(dags):
    decide, asking = dags["decide"], dags["approve_actions"]
    put = decide.task_dict["ask_for_approval"]
    assert put.upstream_task_ids == {"list_open"} and not put.downstream_task_ids
    assert decide.task_dict["list_open"].upstream_task_ids == {"decide_newest_day"}
    assert put.partial_kwargs["trigger_dag_id"] == asking.dag_id
    # One run per approval, however often it is asked; nothing waits for its end.
    assert put.partial_kwargs["skip_when_already_exists"] is True
    assert not put.partial_kwargs.get("wait_for_completion")
    question = asking.task_dict["ask"]
    assert not question.upstream_task_ids and question.downstream_task_ids == {"record", "list_again"}
    again = asking.task_dict["list_again"]
    assert again.trigger_rule == "all_failed" and again.downstream_task_ids == {"ask_for_approval"}
    assert (question.options, question.defaults) == (["Approve", "Reject"], ["Reject"])
    assert question.response_timeout < asking.dagrun_timeout
    assert asking.task_dict["record"].outlets == [OUTBOX]


def test_manually_triggered_dags_are_not_paused_at_creation(dags):
    # A run of a paused DAG waits forever without a message.
    for dag in dags.values():
        is_asked_for = dag.timetable.__class__.__name__ == "NullTimetable"
        assert dag.is_paused_upon_creation is (False if is_asked_for else None), dag.dag_id


def test_rebuild_can_be_backfilled_and_triggers_nothing(dags):
    dag = dags["rebuild_kpis"]
    assert type(dag.timetable).__name__ == "CronPartitionTimetable"
    assert [asset for task in dag.tasks for asset in task.outlets] == []


SEVERAL = """
sources:
  - {id: crm, kind: crm, owner: {name: A, email: a@vendor.example}}
  - {id: crm_eu, kind: crm, owner: {name: B, email: b@vendor.example}}
  - {id: app_db, kind: product, owner: {name: C, email: c@vendor.example}}
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """The DAGs of settings with two CRMs, one product database under another name, and no desk."""
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "config").mkdir()
    (folder / "config" / "settings.yaml").write_text(SEVERAL)
    script = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
def about(dag):
    return {
        "tasks": {task.task_id: sorted(asset.name for asset in task.outlets) for task in dag.tasks},
        "edges": sorted([task.task_id, other] for task in dag.tasks for other in task.downstream_task_ids),
        "leaves": sorted(task.task_id for task in dag.leaves),
        "schedule": str(getattr(dag.timetable, "expression", "")),
        "at_once": dag.max_active_tasks,
        "reads": sorted(a.name for a in getattr(getattr(dag.timetable, "asset_condition", None), "objects", [])),
    }
print(json.dumps({"errors": str(bag.import_errors), **{name: about(dag) for name, dag in bag.dags.items()}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PERENNIAL_CONFIG_DIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class TestSeveralConnections:
    def test_every_dag_file_imports(self, several):
        assert several["errors"] == "{}"

    def test_each_connection_has_its_own_group_verdict_and_asset(self, several):
        tasks = several["ingest_crm"]["tasks"]
        steps = extracts_of("crm") | {"validate", "merge", "publish", "show_verdict"}
        assert tasks.keys() == {f"{source}.{step}" for source in ("crm", "crm_eu") for step in steps}
        assert tasks["crm.publish"] == ["crm"]
        assert tasks["crm_eu.publish"] == ["crm_eu"]
        assert several["ingest_crm"]["leaves"] == ["crm.show_verdict", "crm_eu.show_verdict"]
        assert several["ingest_crm"]["at_once"] == 4

    def test_connections_do_not_wait_for_each_other(self, several):
        for first, second in several["ingest_crm"]["edges"]:
            assert first.split(".")[0] == second.split(".")[0]

    def test_single_connection_has_no_group(self, several):
        assert several["ingest_product"]["tasks"]["publish"] == ["app_db"]

    def test_unconfigured_source_kind_is_never_run(self, several):
        assert several["ingest_support"]["tasks"] == {}
        assert "*/15" not in several["ingest_support"]["schedule"]

    def test_builds_follow_each_connection(self, several):
        assert several["build_kpis"]["reads"] == ["app_db", "crm", "crm_eu"]


def test_each_source_has_its_own_reconcile_task(dags):
    dag = dags["reconcile"]
    assert dag.task_dict.keys() == {f"reconcile_{source}" for source in SOURCES}
    assert dag.timetable.expression == "0 2 * * 0"
    assert all(not task.downstream_task_ids for task in dag.tasks)


def test_goals_of_releases_are_stored_whatever_becomes_of_the_labels(dags):
    tasks = dags["triage_tickets"].task_dict
    assert not tasks["note_goals"].upstream_task_ids
    assert tasks["judge_releases"].upstream_task_ids == {"label", "note_goals"}
