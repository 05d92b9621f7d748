"""How the tasks hang together, and the DAGs with each other."""

from __future__ import annotations

import pytest

from include.orchestration.assets import KPIS, OUTBOX, SOURCES
from include.sources.entities import of_kind
from include.warehouse import models

INGEST = {
    "ingest_crm": ("crm", "crm"),
    "ingest_support": ("support", "support"),
    "ingest_product": ("product_db", "product"),
}


@pytest.mark.parametrize("name", INGEST)
class TestIngest:
    def test_one_extract_per_entity_then_judge_merge_publish_show(self, dags, name):
        dag, (_, kind) = dags[name], INGEST[name]
        extracts = {f"extract_{entity.name}" for entity in of_kind(kind)}
        assert dag.task_dict.keys() == extracts | {"validate", "merge", "publish", "show_verdict"}
        assert {task.task_id for task in dag.roots} == extracts
        assert dag.task_dict["validate"].upstream_task_ids == extracts
        assert dag.task_dict["merge"].upstream_task_ids == {"validate"}
        assert dag.task_dict["publish"].upstream_task_ids == {"merge"}

    def test_the_verdict_is_published_whatever_failed_before(self, dags, name):
        publish = dags[name].task_dict["publish"]
        assert publish.trigger_rule == "all_done"
        assert publish.outlets == [SOURCES[INGEST[name][0]]]
        assert dags[name].task_dict["validate"].trigger_rule == "all_done"

    def test_the_only_leaf_is_red_when_anything_was(self, dags, name):
        (leaf,) = dags[name].leaves
        assert leaf.task_id == "show_verdict"
        assert leaf.trigger_rule == "all_success"
        assert leaf.upstream_task_ids == dags[name].task_dict.keys() - {"show_verdict"}

    def test_it_runs_on_plain_cron_without_partitions(self, dags, name):
        assert dags[name].timetable.expression == "*/15 * * * *"
        assert type(dags[name].timetable).__name__ == "CronTriggerTimetable"


@pytest.mark.parametrize(("name", "end"), [("build_kpis", "publish_kpis"), ("rebuild_kpis", "finish")])
class TestBuilds:
    def test_the_graph_is_the_lineage(self, dags, name, end):
        dag = dags[name]
        found = {
            (task.task_id, downstream)
            for task in dag.tasks
            for downstream in task.downstream_task_ids
            if task.task_id != "plan" and downstream != end
        }
        assert found == set(models.edges())
        assert dag.task_dict.keys() == {*models.names(), "plan", end}

    def test_the_plan_comes_first_and_the_end_last(self, dags, name, end):
        assert [task.task_id for task in dags[name].roots] == ["plan"]
        assert [task.task_id for task in dags[name].leaves] == [end]


def test_builds_follow_any_source_and_the_clock(dags):
    timetable = dags["build_kpis"].timetable
    assert type(timetable.asset_condition).__name__ == "AssetAny"
    assert set(timetable.asset_condition.objects) == set(SOURCES.values())
    assert timetable.timetable.expression == "5 * * * *"


def test_deciding_follows_the_build_and_delivering_the_decision(dags):
    assert dags["build_kpis"].task_dict["publish_kpis"].outlets == [KPIS]
    assert list(dags["decide"].timetable.asset_condition.objects) == [KPIS]
    assert dags["decide"].task_dict["decide_newest_day"].outlets == [OUTBOX]
    assert list(dags["deliver"].timetable.asset_condition.objects) == [OUTBOX]


def test_the_rebuild_can_be_backfilled_and_starts_nothing(dags):
    dag = dags["rebuild_kpis"]
    assert type(dag.timetable).__name__ == "CronPartitionTimetable"
    assert [asset for task in dag.tasks for asset in task.outlets] == []
