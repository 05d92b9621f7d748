"""The form in which a person decides about quarantined rows and held batches."""

from __future__ import annotations

from airflow.sdk import Param

# Optional fields must allow null: Airflow's form cannot be submitted while a field of another type is empty.
PARAMS = {
    "action": Param(
        "show",
        enum=["show", "replay", "waive", "drop", "accept batch", "drop batch"],
        title="What to do",
        description="Show changes nothing and writes into the log what is held and what is in quarantine. With rows of"
        " quarantine: replay validates them again, waive lets them in until a day, drop removes them. Accept or drop"
        " a batch that is held.",
    ),
    "rule": Param(
        None,
        type=["null", "string"],
        title="Rule",
        description="Its id, such as crm.opportunity.won_is_closed; all if empty. A waiver needs rule and source.",
    ),
    "source": Param(None, type=["null", "string"], title="Source", description="A connection's id; all if empty."),
    "record": Param(None, type=["null", "string"], title="Record", description="A record's id; all if empty."),
    "batch": Param(
        None,
        type=["null", "integer"],
        title="Batch",
        description="Its number, to show, accept or drop it; the page Perennial lists those that are held.",
    ),
    "until": Param(None, type=["null", "string"], format="date", title="Until", description="When a waiver ends."),
    "reason": Param(
        None, type=["null", "string"], title="Reason", description="Why; needed for all but show and replay."
    ),
}
