"""What a person fills in to decide about rows in quarantine and held batches."""

from __future__ import annotations

from airflow.sdk import Param

PARAMS = {
    "action": Param(
        "replay",
        enum=["replay", "waive", "drop", "accept batch", "drop batch"],
        title="What to do",
        description="replay, waive and drop are about rows in quarantine.",
    ),
    "rule": Param("", type="string", title="Rule", description="Its id, such as crm.opportunity.won_is_closed."),
    "source": Param("", type="string", title="Source", description="A connection's id; all if empty."),
    "record": Param("", type="string", title="Record", description="A record's id; all if empty."),
    "batch": Param(None, type=["null", "integer"], title="Batch", description="The number of a held batch."),
    "until": Param(None, type=["null", "string"], format="date", title="Until", description="When a waiver ends."),
    "reason": Param("", type="string", title="Reason", description="Why; needed for all but replay."),
}
