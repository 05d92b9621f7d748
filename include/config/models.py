"""The settings: one model per file of ``include/defaults/config/``.

The default values are in the shipped YAML only. A model has no defaults, except for fields of list items, which the
shipped file cannot know. To add a file: write its ``Strict`` model here, add a field of the file's name to
``Settings``, and ship the file. ``load().<name>`` then returns it. Overlay, ``config show``, hash and errors with line
numbers need no further code.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.common.errors import ConfigError
from include.config.channels import Channels
from include.config.customer_report import CustomerReport
from include.config.discounts import Discounts
from include.config.documents import Strict
from include.config.fields import Country, Days, Email, Feature, HostName, Identifier, Language, Zone
from include.config.funnel import Campaigns, Funnel
from include.config.kpis import Kpis
from include.config.person import Lead, Person
from include.config.renewals import Renewals
from include.config.segments import Segments
from include.config.tiers import Tiers, Value
from include.config.touches import Touches
from include.config.tracking_plan import TrackingPlan
from include.config.triage import Triage
from include.config.viewers import Viewers


class SourceSettings(Strict):
    """A connection to read.

    Args:
        id: The Airflow connection's id. It is also the ``source`` of its rows.
        owner: The person to notify when the source is late or red.
        lag_seconds: Rows younger than this are not read: the vendor may still add older rows behind them.
        trailing_seconds: How far behind the cursor an incremental read starts, to catch late rows.
        stale_after_minutes: Time without a complete read after which the source is late and its owner is notified.
        keeps_deletions_days: How long the vendor lists deleted records; 0 means for ever. After a batch on hold or an
            outage that lasted longer, a full read follows.
        mapping: A file of ``config/mappings/`` for this connection alone. The default is the vendor's file.
        queries: A folder of ``sql/sources/`` with the queries for a database. The default is the folder of the source's
            name. ``stripe/airbyte`` is the folder ``stripe`` over the tables that ``parts/airbyte.sql`` names.
        is_billing: The source is a billing system for a CRM's customers. It has no accounts, but refers to those of the
            CRM.
    """

    id: Identifier
    kind: Literal["crm", "support", "product"]
    owner: Person
    lag_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    trailing_seconds: Annotated[int, Field(ge=0, le=604_800)] = 3600
    stale_after_minutes: Annotated[int, Field(ge=1)] = 180
    keeps_deletions_days: Annotated[int, Field(ge=0, le=3660)] = 30
    mapping: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*\.yaml)?$")] = ""
    queries: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?)?$")] = ""
    is_billing: bool = False

    @model_validator(mode="after")
    def _check_billing(self) -> SourceSettings:
        if self.is_billing and self.kind != "crm":
            raise ValueError("is_billing requires kind: crm: a billing system provides entities of that kind")
        return self


class Exclusion(Strict):
    """An account excluded from all figures: internal, a test or a demo.

    Args:
        account: The account's key, such as ``crm:1001``.
        owner: The person who asked for it.
        until: The day from which the account counts again.
    """

    account: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+$")]
    reason: str
    owner: str
    until: date


class Silence(Strict):
    """Incidents silenced until a day.

    Args:
        pattern: Pattern of incident keys, such as ``rows:crm:*``.
        by: The person who silenced them.
        until: The day on which the silence ends.
    """

    pattern: Annotated[str, Field(min_length=3)]
    reason: Annotated[str, Field(min_length=3)]
    by: Annotated[str, Field(min_length=1)]
    until: date


# Names in use for other assets and for the connections of channels.
_TAKEN = ("kpis", "decisions", "outbox", "slack", "smtp")


class General(Strict):
    """``settings.yaml``."""

    language: Language
    reporting_zone: Zone
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    history_start_months: Annotated[int, Field(ge=1, le=120)]
    sources: tuple[SourceSettings, ...]
    grace_days: dict[str, Days]
    allowed_plain_http_hosts: tuple[HostName, ...]
    allowed_private_hosts: tuple[HostName, ...]
    shared_state: Literal["files", "database"]
    batch_rows: Annotated[int, Field(ge=1, le=5_000_000)]
    build_timeout_minutes: Annotated[int, Field(ge=1, le=10_000)]
    oldest_data_hours: dict[str, Annotated[int, Field(ge=1)]]
    silences: tuple[Silence, ...]
    exclusions: tuple[Exclusion, ...]
    competitors: tuple[Annotated[str, Field(min_length=3, max_length=80)], ...]

    @model_validator(mode="after")
    def _check_source_ids(self) -> General:
        ids = [source.id for source in self.sources]
        for source_id in ids:
            if ids.count(source_id) > 1:
                raise ValueError(f"the source {source_id} is listed twice; give each connection an id of its own")
            if source_id in _TAKEN:
                raise ValueError(f"a source cannot be called {source_id}: the name is reserved")
        return self

    def source(self, source_id: str) -> SourceSettings | None:
        """Return the settings of a source, or None if it is not listed."""
        return next((source for source in self.sources if source.id == source_id), None)

    def listed(self, source_id: str) -> SourceSettings:
        """Return the settings of a source.

        Raises:
            ConfigError: The source is not listed. The message names those that are.
        """
        if found := self.source(source_id):
            return found
        known = ", ".join(source.id for source in self.sources)
        raise ConfigError(f"unknown source {source_id}", cure=f"listed in config/settings.yaml: {known}")

    def of_kind(self, kind: str) -> tuple[SourceSettings, ...]:
        """Return the sources of one kind, in the order of the file."""
        return tuple(source for source in self.sources if source.kind == kind)

    @property
    def crms(self) -> tuple[SourceSettings, ...]:
        """The sources that have accounts: those of kind crm, without billing systems."""
        return tuple(source for source in self.of_kind("crm") if not source.is_billing)


class Usage(Strict):
    """``usage.yaml``: the features that count.

    Args:
        value_events: Features whose use is value. A login alone is not.
        key_features: Features whose use correlates with retention. Breadth of use counts them.
        tracking_plan_owner: The person to notify of events and features without an owner in the tracking plan.
    """

    value_events: tuple[Feature, ...]
    key_features: tuple[Feature, ...]
    tracking_plan_owner: Person


class SendingHours(Strict):
    """When alerts are sent on working days, in the region's time zone: from ``first`` until before ``last``."""

    first: Annotated[int, Field(ge=0, le=23)]
    last: Annotated[int, Field(ge=1, le=23)]

    @model_validator(mode="after")
    def _check_hours(self) -> SendingHours:
        if self.last <= self.first:
            raise ValueError("last must be later than first")
        return self


class Escalation(Strict):
    """Working hours after which an unanswered alert is escalated."""

    lead_after_hours: Annotated[int, Field(ge=1, le=1000)]
    head_after_hours: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _check_order(self) -> Escalation:
        if self.head_after_hours <= self.lead_after_hours:
            raise ValueError("head_after_hours must be more than lead_after_hours")
        return self


class Attention(Strict):
    """``attention.yaml``: a CSM's budget for alerts.

    Args:
        alerts_per_person_and_day: The most signal alerts in a day. The digest lists the rest. Renewal reminders are not
            counted.
        sending_hours: When alerts are sent.
        escalation: When an unanswered alert goes to the lead, and to the head.
    """

    alerts_per_person_and_day: Annotated[int, Field(ge=0, le=100)]
    sending_hours: SendingHours
    escalation: Escalation


class Caps(Strict):
    """``caps.yaml``: how much one run of ``decide`` may do without approval.

    Args:
        actions_per_run: The most messages and tasks.
        share_of_book: The share of all accounts that it may touch.
        accounts_at_least: The number of accounts that it may always touch, since a share of a small book is next to
            nothing.
        approve_within_working_days: Working days after which an approval request expires.
    """

    actions_per_run: Annotated[int, Field(ge=0, le=100_000)]
    share_of_book: Annotated[float, Field(ge=0, le=1)]
    accounts_at_least: Annotated[int, Field(ge=0, le=100_000)]
    approve_within_working_days: Annotated[int, Field(ge=1, le=20)]

    def accounts(self, book: int) -> int:
        """Return how many accounts of a book of this size one run may touch."""
        return max(self.accounts_at_least, int(self.share_of_book * book))


class Promises(Strict):
    """``promises.yaml``: phrases forbidden in templates, since they promise a price or a commitment."""

    phrases: tuple[Annotated[str, Field(min_length=2, max_length=80)], ...]


class WorkingCalendar(Strict):
    """The country whose holidays apply, and the time zone."""

    country: Country
    zone: Zone


class Reader(Strict):
    """How a person reads messages. Empty means the default language, and the zone of the account's region."""

    language: Language = ""
    zone: Zone | Literal[""] = ""


class People(Strict):
    """``people.yaml``.

    Args:
        queue: Receives everything without a reachable owner.
        data_owners: Owner of data rules, as in `contracts` -> person to notify. The default is the owner of the source.
        team_leads: Team, as in the CRM -> its lead, who gets the weekly digest and notices of inactive members and
            ignored alerts.
        head: The leads' manager, notified of alerts that stay unanswered. Without a head, the queue is.
        slack: E-mail address -> user or channel of Slack. It overrides the Slack user with that address.
        readers: E-mail address, or a domain such as ``@example.com`` -> language and time zone of messages.
        calendars: Region of the account -> working calendar. ``default`` applies to all others.
        places: E-mail of a senior CSM -> the number of key accounts the CSM has room for. Empty means no limit.
    """

    queue: Person
    data_owners: dict[str, Person]
    team_leads: dict[str, Lead]
    head: Person | None
    slack: dict[Email, str]
    readers: dict[Annotated[str, Field(pattern=r"^[^@\s]*@[^@\s]+[.][^@\s]+$")], Reader]
    calendars: dict[str, WorkingCalendar]
    places: dict[Email, Annotated[int, Field(ge=0, le=1000)]]

    @property
    def head_or_queue(self) -> Person:
        """Who decides for customer success."""
        return self.head or self.queue

    def reader(self, address: str) -> Reader:
        """Return how a person reads: as their address says, or else their domain."""
        known = {name.lower(): one for name, one in self.readers.items()}
        return known.get(address.lower()) or known.get("@" + address.lower().rpartition("@")[2]) or Reader()


class Answer(Strict):
    """A person's answer about an id of the desk or the product.

    Args:
        source: The connection that uses the id.
        match: The account behind the id, such as ``crm:1001``.
        no_match: An account that is not behind the id, or ``all``.
        by: The person who answered.
    """

    source: Identifier
    id: Annotated[str, Field(min_length=1)]
    match: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+)?$")] = ""
    no_match: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+|all)?$")] = ""
    reason: Annotated[str, Field(min_length=1)]
    by: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _check_one_answer(self) -> Answer:
        if bool(self.match) == bool(self.no_match):
            raise ValueError("set either match or no_match, not both")
        return self


class Identity(Strict):
    """``identity.yaml``.

    Args:
        shared_domains: Domains that match no account, in addition to those of mail providers.
        answers: The answers people gave.
    """

    shared_domains: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+([.][a-z0-9-]+)+$")], ...]
    answers: tuple[Answer, ...]

    @model_validator(mode="after")
    def _check_duplicates(self) -> Identity:
        matched: set[tuple[str, str]] = set()
        for answer in self.answers:
            key = (answer.source, answer.id)
            if answer.match and key in matched:
                raise ValueError(f"{answer.source} {answer.id} is matched with two accounts")
            if answer.match:
                matched.add(key)
        return self


KeptDays = Annotated[int, Field(ge=7, le=3660)]


class Retention(Strict):
    """``retention.yaml``: how many days transient data is kept."""

    batches: Annotated[int, Field(ge=90, le=3660)]  # the contracts compare batches with earlier weeks
    results: KeptDays
    quarantine: KeptDays
    quarantine_values: KeptDays
    outbox_bodies: KeptDays
    explanations: KeptDays
    score_inputs: KeptDays
    builds: Annotated[int, Field(ge=30, le=3660)]
    notices: KeptDays
    logs: KeptDays


class Settings(General):
    """All settings: the keys of ``settings.yaml``, and one field per further file."""

    usage: Usage
    renewals: Renewals
    kpis: Kpis
    channels: Channels
    people: People
    identity: Identity
    retention: Retention
    attention: Attention
    caps: Caps
    promises: Promises
    value: Value
    tiers: Tiers
    discounts: Discounts
    segments: Segments
    funnel: Funnel
    campaigns: Campaigns
    touches: Touches
    viewers: Viewers
    customer_report: CustomerReport
    triage: Triage
    tracking_plan: TrackingPlan

    @property
    def languages(self) -> list[str]:
        """The default language, and those of readers and viewers."""
        readers = [one.language for one in self.people.readers.values()]
        viewers = [one.language for one in self.viewers.viewers.values()]
        return list(dict.fromkeys((self.language, *filter(None, readers), *filter(None, viewers))))

    def language_of(self, address: str) -> str:
        """Return the language of messages to an address."""
        return self.people.reader(address).language or self.language
