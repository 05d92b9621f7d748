"""Decide which contacts of an audience are listed, and why each other one is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, get_args

from include.common.texts import N_
from include.config.touches import Consent, Touches
from include.decide.touches.schema import Touch

Reason = Literal[
    "on_hold", "no_contact", "role", "no_address", "bounced", "opted_out", "opt_out_unknown", "region", "no_consent",
    "duplicate", "capped", "repeated", "held_out",
]  # fmt: skip
REASONS: tuple[Reason, ...] = get_args(Reason)
WORDS: Mapping[str, str] = {
    "on_hold": N_("data of the account not up to date"),
    "no_contact": N_("account without contacts"),
    "role": N_("not in a chosen role"),
    "no_address": N_("no address"),
    "bounced": N_("address refuses mails"),
    "opted_out": N_("opted out"),
    "opt_out_unknown": N_("opt-out not known"),
    "region": N_("region not allowed"),
    "no_consent": N_("no consent"),
    "duplicate": N_("same address as another contact"),
    "capped": N_("written to lately"),
    "repeated": N_("had this touch before"),
    "held_out": N_("held out"),
}


@dataclass(frozen=True)
class Contact:
    """A contact of an account in the audience.

    Args:
        address: In lower case; "" without one.
        is_opted_out: Whether any record with this address opted out; None if the CRM does not say.
        region: Where the person is, else where the account is: the recipient's country decides which rule applies.
        last_on: The last day on which a list or playbook addressed it; None for never.
        last_of_touch_on: The last day on which it was on a list of this touch.
        has_bounced: Whether any record says that this address refused a mail for good.
    """

    contact_key: str
    account_key: str
    address: str = ""
    name: str = ""
    language: str = ""
    region: str | None = None
    roles: frozenset[str] = frozenset()
    is_opted_out: bool | None = None
    consent: str | None = None
    last_on: date | None = None
    last_of_touch_on: date | None = None
    has_bounced: bool = False


@dataclass
class Selection:
    """The result.

    Args:
        listed: The listed contacts.
        held_out: Accounts that would have been listed, but are in the hold-out.
        whole: Accounts all of whose contacts with an address are listed.
        counts: Reason -> excluded contacts; under ``on_hold`` and ``no_contact``, accounts.
    """

    listed: list[Contact] = field(default_factory=list)
    held_out: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)


def select(
    touch: Touch,
    settings: Touches,
    day: date,
    accounts: Mapping[str, str],
    contacts: Iterable[Contact],
    held_out: Collection[str],
) -> Selection:
    """Select the contacts of a list.

    The hold-out is the last reason: only accounts that would have been listed count as held out, so that both arms are
    alike. A held-out contact takes its address like a listed one: else another account's list would reach the person.

    Args:
        accounts: The audience: account -> why it is on hold; "" if it is not.
    """
    found, taken = Selection(), set[str]()
    of_account: dict[str, list[Contact]] = {key: [] for key in accounts}
    for contact in contacts:
        of_account[contact.account_key].append(contact)
    for key, why_on_hold in accounts.items():
        if why_on_hold or not of_account[key]:
            found.counts["on_hold" if why_on_hold else "no_contact"] += 1
            continue
        found.whole.add(key)
        for contact in of_account[key]:
            reason = _reason(touch, settings, day, contact) or ("duplicate" if contact.address in taken else "")
            if not reason:
                taken.add(contact.address)
                if key in held_out:
                    reason = "held_out"
                    found.held_out.add(key)
            if reason:
                found.counts[reason] += 1
                found.whole -= {key} if contact.address else set()
            else:
                found.listed.append(contact)
    return found


def barred(contact: Contact, consent: Consent, rule: str) -> Reason | Literal[""]:
    """Return why nobody may write to a contact; "" if they may.

    Args:
        rule: The touch's ``consent``.
    """
    # Mailing again to a dead address costs the sender's reputation:
    # https://www.bloated.ai/questions/should-i-still-be-marketing-to-contacts-whose-email-bounced
    if contact.has_bounced:
        return "bounced"
    if contact.is_opted_out:
        return "opted_out"
    if contact.is_opted_out is None:
        return "opt_out_unknown"
    of_region = consent.rule_of(contact.region)
    if of_region == "never":
        return "region"
    return "no_consent" if "opt_in" in (rule, of_region) and not consent.is_given(contact.consent) else ""


def in_order(counts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    """Return the reasons that excluded anybody, with their numbers."""
    return [(reason, counts[reason]) for reason in REASONS if counts.get(reason)]


def _reason(touch: Touch, settings: Touches, day: date, contact: Contact) -> Reason | Literal[""]:
    if touch.roles and not contact.roles & {*touch.roles}:
        return "role"
    if not contact.address:
        return "no_address"
    if reason := barred(contact, settings.consent, touch.consent):
        return reason
    if _is_within(contact.last_of_touch_on, day, touch.again_after_days):
        return "repeated"
    return "capped" if _is_within(contact.last_on, day, settings.days_between) else ""


def _is_within(last: date | None, day: date, days: int) -> bool:
    return last is not None and day - last < timedelta(days=days)
