"""The words that pages and messages show for codes: bands, states, periods and the like."""

from __future__ import annotations

from include.common import formatting
from include.common.texts import N_, gettext

_WORDS = {
    # Bands of the health score.
    "green": N_("green"),
    "yellow": N_("yellow"),
    "red": N_("red"),
    "unknown": N_("unknown"),
    # States of sources, builds, messages, rules and episodes.
    "stale": N_("stale"),
    "held": N_("held"),
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
    "planned": N_("planned"),
    "parked": N_("parked"),
    "sending": N_("sending"),
    "sent": N_("sent"),
    "uncertain": N_("uncertain"),
    "suppressed": N_("suppressed"),
    "expired": N_("expired"),
    "opened": N_("opened"),
    "open": N_("open"),
    "closed": N_("closed"),
    "not opened": N_("not opened"),
    "draft": N_("draft"),
    "live": N_("live"),
    "retired": N_("retired"),
    # States and ratings of tickets, what went wrong with one, and states of tasks.
    "new": N_("new"),
    "pending": N_("pending"),
    "hold": N_("on hold"),
    "solved": N_("solved"),
    "deleted": N_("deleted"),
    "good": N_("good"),
    "bad": N_("bad"),
    "urgent": N_("urgent"),
    "rated bad": N_("rated bad"),
    "reopened": N_("reopened more than once"),
    "answered late": N_("answered late"),
    "solved late": N_("solved late"),
    "started": N_("started"),
    # Severities and grades.
    "high": N_("high"),
    "medium": N_("medium"),
    "low": N_("low"),
    "normal": N_("normal"),
    "critical": N_("critical"),
    "warning": N_("warning"),
    # Periods and groups.
    "day": N_("day"),
    "week": N_("week"),
    "month": N_("month"),
    "quarter": N_("quarter"),
    "all": N_("all"),
    "tier": N_("tier"),
    "csm": N_("CSM"),
    "industry": N_("industry"),
    "region": N_("region"),
    "better": N_("better"),
    "worse": N_("worse"),
    # Renewals, and who was right about one.
    "won": N_("won"),
    "lost": N_("lost"),
    "renewed": N_("renewed"),
    "committed_churn": N_("committed churn"),
    "auto_renew": N_("auto-renews"),
    "commit": N_("commit"),
    "best_case": N_("best case"),
    "pipeline": N_("pipeline"),
    "omitted": N_("omitted"),
    "no deal": N_("no deal"),
    "open deal": N_("open deal"),
    "person": N_("person"),
    "score": N_("score"),
    "same band": N_("same band"),
    # The catalogue: events, sensitivities and definitions.
    "arrives": N_("arrives"),
    "missing": N_("missing"),
    "unlisted": N_("not in the plan"),
    "ended": N_("no longer sent"),
    "personal": N_("personal"),
    "internal": N_("internal"),
    "metric": N_("metric"),
    "health profile": N_("health profile"),
    "signal": N_("signal"),
    "playbook": N_("playbook"),
    "tracking plan": N_("tracking plan"),
    "value": N_("value"),
    "key feature": N_("key feature"),
    # Roles of contacts.
    "user": N_("user"),
    "champion": N_("champion"),
    "decision_maker": N_("decision maker"),
    "executive_sponsor": N_("executive sponsor"),
    "veto": N_("veto holder"),
    "legal": N_("legal"),
    "other": N_("other"),
    # Audiences of reports.
    "executives": N_("executives"),
    "product": N_("product"),
    "regions": N_("regions"),
    "cs_operations": N_("CS operations"),
    # What an analysis found of a feature.
    "goes_with": N_("goes with"),
    "bug": N_("bug"),
    "how_to": N_("how-to question"),
    "management": N_("management"),
    "request": N_("request"),
    "optimise": N_("optimise"),
    "document": N_("document"),
    "goes_with_losing": N_("goes with losing"),
    "not_shown": N_("not shown"),
    "unstable": N_("unstable"),
    "too_few": N_("too few"),
    # Discounts: roles, what the customer gives in return, and states of a request.
    "lead": N_("lead"),
    "head": N_("head"),
    "none": N_("nobody"),
    "term": N_("longer term"),
    "reference": N_("reference"),
    "seats": N_("more seats"),
    "approved": N_("approved"),
    "rejected": N_("rejected"),
    "lapsed": N_("lapsed"),
    # The funnel: its stages, and what its parts need.
    "acquisition": N_("acquisition"),
    "activation": N_("activation"),
    "retention": N_("retention"),
    "revenue": N_("revenue"),
    "referral": N_("referral"),
    "leads": N_("leads"),
    "usage_day": N_("usage"),
    "channel_cost": N_("channel costs"),
    "referrals": N_("referrals"),
    "campaigns": N_("campaigns"),
    # Requests for features: their types and states, and what their figures need.
    "essential": N_("essential"),
    "individual": N_("individual"),
    "core": N_("core"),
    "declined": N_("declined"),
    "shipped": N_("shipped"),
    "customers": N_("customer records"),
    "health_bands": N_("health bands"),
    "lost_reasons": N_("lost reasons"),
    "tickets": N_("triaged tickets"),
    "competitors": N_("names of competitors in settings.yaml"),
    # Verdicts on releases.
    "too_early": N_("too early"),
    "no_goal": N_("no goal was set before"),
    "no_targets": N_("no targets"),
    "reached_goal": N_("goal reached"),
    "missed_goal": N_("goal missed"),
    # Tiers that the shipped settings name.
    "key_account": N_("key account"),
    "standard": N_("standard"),
    "small": N_("small"),
    # Entries of the ledger.
    "accepted a batch": N_("accepted a batch"),
    "dropped a batch": N_("dropped a batch"),
    "dropped quarantined rows": N_("dropped quarantined rows"),
    "waived a rule": N_("waived a rule"),
    "ended a waiver": N_("ended a waiver"),
    "silenced incidents": N_("silenced incidents"),
    "ended a silence": N_("ended a silence"),
    "matched an id": N_("matched an id"),
    "unmatched an id": N_("unmatched an id"),
    "linked a renewal": N_("linked a renewal"),
    "unlinked a renewal": N_("unlinked a renewal"),
    "put a channel on hold": N_("put a channel on hold"),
    "released a channel": N_("released a channel"),
    "ended an override": N_("ended an override"),
}


def word(code: str | None) -> str:
    """Return the reader's word for a code. A code without one is shown as it is, without underscores."""
    if not code:
        return ""
    known = _WORDS.get(code)
    return gettext(known) if known else formatting.plain(code)


def words(codes: str | None) -> str:
    """Return the reader's words for codes that are joined by semicolons."""
    return ", ".join(word(code.strip()) for code in (codes or "").split(";") if code.strip())
