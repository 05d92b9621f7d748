"""The Slack workspace's people and channels: active CSMs and agents, the data team, and a few channels."""

from __future__ import annotations

from typing import Any

from include.sandbox.core import Sandbox

TEAM = "T0SANDBOX"
BOT_USER, BOT = "U0PERENNIAL", "B0PERENNIAL"
# name: (id, why the bot cannot post there)
CHANNELS: dict[str, tuple[str, str]] = {
    "general": ("C0GENERAL", ""),
    "cs-operations": ("C0CSOPS", ""),
    "cs-alerts": ("C0CSALERTS", ""),
    "old-project": ("C0OLD", "is_archived"),
    "board": ("C0BOARD", "not_in_channel"),
}

# The data owner in the shipped settings, who owns no account.
DATA_TEAM = ("U0DATA", "Data team", "data@example.com")


def people(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Return the workspace's people by id."""
    sandbox.now()
    found: dict[str, dict[str, Any]] = {DATA_TEAM[0]: _person(*DATA_TEAM)}
    for owner in sandbox.store.live("owner"):
        name = f"{owner.values['first_name']} {owner.values['last_name']}"
        found[f"U{owner.id}"] = _person(f"U{owner.id}", name, owner.values["email"])
    for agent in sandbox.store.live("support_user"):
        if agent.values["role"] != "end-user":
            found[f"U{agent.id}"] = _person(f"U{agent.id}", agent.values["name"], agent.values["email"])
    return found


def _person(number: str, name: str, email: str) -> dict[str, Any]:
    return {
        "id": number,
        "team_id": TEAM,
        "name": email.partition("@")[0],
        "deleted": False,
        "real_name": name,
        "tz": "Etc/UTC",
        "profile": {"real_name": name, "display_name": name, "email": email, "team": TEAM},
        "is_bot": False,
    }


def find_channel(sandbox: Sandbox, given: str) -> tuple[str, str, str] | None:
    """Return a channel's id, its name, and why the bot cannot post; None if there is no such channel.

    Args:
        sandbox: The sandbox.
        given: A channel's id or name (with or without #), or a person's id for direct messages.
    """
    for name, (number, obstacle) in CHANNELS.items():
        if given in (number, name, f"#{name}"):
            return number, f"#{name}", obstacle
    if given[:1] in ("U", "D"):
        person = people(sandbox).get(f"U{given[1:]}")
        if person:
            return f"D{given[1:]}", person["real_name"], ""
    return None


def channel_name(sandbox: Sandbox, number: str) -> str:
    found = find_channel(sandbox, number)
    return found[1] if found else number
