"""The form in which a person decides about quarantined rows and held batches."""

from __future__ import annotations

from airflow.sdk import Param

# Optional fields must allow null: Airflow's form cannot be submitted while a field of another type is empty.
PARAMS = {
    "action": Param(
        "show",
        enum=["show", "replay", "waive", "drop", "accept batch", "drop batch"],
        title="What to do",
        description="Show lists held batches and quarantined rows in the log, and changes nothing. For rows:"
        " replay validates them again, waive accepts them until a date, and drop removes them. For a held batch:"
        " accept it or drop it.",
    ),
    "rule": Param(
        None,
        type=["null", "string"],
        title="Rule",
        description="A rule's id, such as crm.opportunity.won_is_closed. Empty for all. Waivers need rule and source.",
    ),
    "source": Param(
        None, type=["null", "string"], title="Source", description="A connection's id. Leave empty for all."
    ),
    "record": Param(None, type=["null", "string"], title="Record", description="A record's id. Leave empty for all."),
    "batch": Param(
        None,
        type=["null", "integer"],
        title="Batch",
        description="Number of the batch to show, accept or drop. The Perennial page lists held batches.",
    ),
    "until": Param(
        None, type=["null", "string"], format="date", title="Until", description="Day on which a waiver ends."
    ),
    "reason": Param(None, type=["null", "string"], title="Reason", description="Required, except for show and replay."),
}
