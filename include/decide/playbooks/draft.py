"""Draft a playbook from a benchmark customer: what it does, for customers of its industry and tier that do not yet."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from include.analyses.benchmark import Customer, Difference
from include.common.errors import ConfigError

RUNG, HOLD_OUT = 180, 0.2


def from_benchmark(customer: Customer, differences: Sequence[Difference]) -> str:
    """Return a draft as YAML: valid, never started before somebody sets ``status: live``.

    It has a hold-out, except for key accounts: they are never held out.

    Args:
        customer: The benchmark customer. Only its key is in the draft: tasks name it only if a person adds that.
        differences: What benchmark customers use more often; only shown differences are named.

    Raises:
        ConfigError: Its breadth of use is not known, so that nothing says who could learn from it.
    """
    breadth = customer.evidence["breadth"]
    if breadth is None:
        raise ConfigError(f"the use of {customer.account_key} is not known", cure="choose another: analysis benchmark")
    more = [one.feature for one in differences if one.is_shown and one.share > one.peer_share]
    what = ", ".join(more) or "the features that the account does not use yet"
    # In full: a rounded limit could include the benchmark customer.
    limit = repr(float(breadth))
    is_tested = customer.tier != "key_account"
    test = {"hold_out": HOLD_OUT, "experiment": {"horizon_days": RUNG, "smallest_effect": 0.1}}
    draft = {
        "name": f"learn_{re.sub('[^a-z0-9]+', '_', customer.industry.lower()).strip('_') or 'industry'}",
        "version": 1,
        "status": "draft",
        "title": f"Learn from the best in {customer.industry}",
        "why": f"Benchmark customers in {customer.industry} use {what} more often than customers like them.",
        "audience": ({"tiers": [customer.tier]} if customer.tier else {}) | {"industries": [customer.industry]},
        "trigger": {"rung": RUNG, "when": f"breadth < {limit}"},
        **(test if is_tested else {}),
        "exit": {"when": f"breadth >= {limit}", "after_days": RUNG},
        "outcome": ["uses more now", "does not need it", "no answer"],
        "steps": [
            {
                "id": "compare",
                "kind": "crm_task",
                "owner": "csm",
                "due_in_working_days": 5,
                "subject": "{{ account_name }}: show what others in the industry use",
                "body": f"Others use {what}. Find out which of it the account needs.",
            },
            {
                "id": "try_it",
                "kind": "crm_task",
                "owner": "csm",
                "due_in_working_days": 15,
                "depends_on": ["compare"],
                "subject": "{{ account_name }}: set up one of it together",
                "body": "Set it up on the customer's own data, and enter the outcome when it is in use.",
            },
        ],
    }
    head = (
        f"# Draft from {customer.account_key} (rank {customer.rank:.2f} in {customer.industry}, {customer.as_of}).\n"
        f"# Differences do not prove causes{': the hold-out shows whether it works' if is_tested else ''}."
        " Check the texts, then set status: live.\n"
    )
    return head + yaml.safe_dump(draft, sort_keys=False, allow_unicode=True, width=110)
