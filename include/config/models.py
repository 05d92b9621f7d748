"""What can be set: one model per file of ``include/config/``.

The values that hold where nobody says another are in the shipped YAML and nowhere else: a model has no defaults,
except one of a list's items, of which the shipped file cannot know. To add a file of your own: write its model here (a
``Strict`` one), add a field of the file's name to ``Settings``, and ship the file. ``load().<name>`` then holds it; the
overlay, ``config show``, the hash and the errors with lines come by themselves.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.common.errors import ConfigError
from include.config.channels import Channels
from include.config.documents import Strict
from include.config.fields import Country, Days, Email, HostName, Identifier, Zone
from include.config.kpis import Kpis
from include.config.renewals import Renewals
from include.config.tiers import Tiers, Value
from include.config.viewers import Viewers


class Person(Strict):
    """Someone to write to."""

    name: str
    email: Email
    slack: str = ""


class Lead(Person):
    """Who leads a team; ``region`` names the working calendar of ``people.yaml`` by which the lead works."""

    region: str = "default"


class SourceSettings(Strict):
    """One connection that is read.

    Args:
        id: The Airflow connection's id; also the ``source`` of its rows.
        owner: Who is notified when it is late or red.
        lag_seconds: Nothing younger is read: the vendor may still add older rows behind it.
        trailing_seconds: How far behind the last read an incremental read starts over, to catch rows that came late.
        stale_after_minutes: It is late, and its owner is notified, when it was not completely read for so long.
        keeps_deletions_days: For how long it tells what was deleted; 0 if for ever. A batch that was held for longer,
            or a longer outage, is followed by a full read.
        mapping: A file of ``config/mappings/`` for this connection alone; by default the one named after its vendor.
        queries: A folder of ``sql/sources/`` whose queries a database is read by; by default the one named after it.
            ``stripe/airbyte`` is the folder ``stripe`` over the tables that ``parts/airbyte.sql`` names.
        is_billing: It bills the customers of a CRM: its accounts are none of their own, but name the CRM's.
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
    def _bills_as_a_crm(self) -> SourceSettings:
        if self.is_billing and self.kind != "crm":
            raise ValueError("is_billing goes with kind: crm, whose entities a billing system gives")
        return self


class Exclusion(Strict):
    """An account that counts nowhere: internal, a test, a demonstration.

    Args:
        account: The account's key, such as ``crm:1001``.
        owner: Who asked for it.
        until: The day from which it counts again.
    """

    account: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+$")]
    reason: str
    owner: str
    until: date


class Silence(Strict):
    """Incidents that are silenced temporarily.

    Args:
        pattern: Of incident keys, such as ``rows:crm:*``.
        by: Who says so.
        until: The day on which it is over.
    """

    pattern: Annotated[str, Field(min_length=3)]
    reason: Annotated[str, Field(min_length=3)]
    by: Annotated[str, Field(min_length=1)]
    until: date


# What else goes by such a name: the other assets, and the connections of the channels.
_TAKEN = ("kpis", "decisions", "outbox", "slack", "smtp")


class General(Strict):
    """``settings.yaml``."""

    reporting_zone: Zone
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    history_start_months: Annotated[int, Field(ge=1, le=120)]
    sources: tuple[SourceSettings, ...]
    grace_days: dict[str, Days]
    allowed_plain_http_hosts: tuple[HostName, ...]
    allowed_private_hosts: tuple[HostName, ...]
    batch_rows: Annotated[int, Field(ge=1, le=5_000_000)]
    build_timeout_minutes: Annotated[int, Field(ge=1, le=10_000)]
    oldest_data_hours: dict[str, Annotated[int, Field(ge=1)]]
    silences: tuple[Silence, ...]
    exclusions: tuple[Exclusion, ...]
    competitors: tuple[Annotated[str, Field(min_length=3, max_length=80)], ...]

    @model_validator(mode="after")
    def _has_ids_of_their_own(self) -> General:
        ids = [source.id for source in self.sources]
        for source_id in ids:
            if ids.count(source_id) > 1:
                raise ValueError(f"the source {source_id} is listed twice; give each connection an id of its own")
            if source_id in _TAKEN:
                raise ValueError(f"a source cannot be called {source_id}, which is the name of something else here")
        return self

    def source(self, source_id: str) -> SourceSettings | None:
        """Return the settings of one source, or None if it is not listed."""
        return next((source for source in self.sources if source.id == source_id), None)

    def listed(self, source_id: str) -> SourceSettings:
        """Return the settings of one source; a ``ConfigError`` says which there are if it is none of them."""
        if found := self.source(source_id):
            return found
        known = ", ".join(source.id for source in self.sources)
        raise ConfigError(f"unknown source {source_id}", cure=f"listed in config/settings.yaml: {known}")

    def of_kind(self, kind: str) -> tuple[SourceSettings, ...]:
        """Return the sources of one kind, in the order in which they are listed."""
        return tuple(source for source in self.sources if source.kind == kind)

    @property
    def crms(self) -> tuple[SourceSettings, ...]:
        """The sources whose accounts there are: those of kind crm that do not only bill another one's."""
        return tuple(source for source in self.of_kind("crm") if not source.is_billing)


class Usage(Strict):
    """``usage.yaml``: which features count.

    Args:
        value_events: Features whose use is value; a login alone is not.
        key_features: Features whose use goes with staying; breadth counts them.
        tracking_plan_owner: Who is notified when a feature is not measured any more.
    """

    value_events: tuple[str, ...]
    key_features: tuple[str, ...]
    tracking_plan_owner: Person


class SendingHours(Strict):
    """When alerts leave, on working days by the region's clock: from ``first`` until before ``last``."""

    first: Annotated[int, Field(ge=0, le=23)]
    last: Annotated[int, Field(ge=1, le=23)]

    @model_validator(mode="after")
    def _is_a_stretch(self) -> SendingHours:
        if self.last <= self.first:
            raise ValueError("last must be later than first")
        return self


class Escalation(Strict):
    """After how many working hours an unanswered alert is escalated."""

    lead_after_hours: Annotated[int, Field(ge=1, le=1000)]
    head_after_hours: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _goes_up(self) -> Escalation:
        if self.head_after_hours <= self.lead_after_hours:
            raise ValueError("head_after_hours must be more than lead_after_hours")
        return self


class Attention(Strict):
    """``attention.yaml``: how much of a person's attention the signals may take.

    Args:
        alerts_per_person_and_day: So many alerts of signals at most; the rest of the day comes as one list. Renewal
            reminders have their own pace and are not counted.
        sending_hours: When.
        escalation: When an unanswered alert goes to the lead, and to the head.
    """

    alerts_per_person_and_day: Annotated[int, Field(ge=0, le=100)]
    sending_hours: SendingHours
    escalation: Escalation


class Caps(Strict):
    """``caps.yaml``: how much one run of ``decide`` may set in motion without a person's approval.

    Args:
        actions_per_run: Messages and tasks.
        share_of_book: Accounts that it may touch, as a share of all.
        accounts_at_least: So many accounts it may always touch: a share of a small book is nothing.
        approve_within_working_days: After so many working days an approval expires.
    """

    actions_per_run: Annotated[int, Field(ge=0, le=100_000)]
    share_of_book: Annotated[float, Field(ge=0, le=1)]
    accounts_at_least: Annotated[int, Field(ge=0, le=100_000)]
    approve_within_working_days: Annotated[int, Field(ge=1, le=20)]

    def accounts(self, book: int) -> int:
        """Return how many accounts of a book of this size one run may touch."""
        return max(self.accounts_at_least, int(self.share_of_book * book))


class Promises(Strict):
    """``promises.yaml``: phrases that no template may hold, since they promise a price or a commitment."""

    phrases: tuple[Annotated[str, Field(min_length=3, max_length=80)], ...]


class WorkingCalendar(Strict):
    """Whose holidays and whose clock."""

    country: Country
    zone: Zone


class People(Strict):
    """``people.yaml``.

    Args:
        queue: Gets what has no reachable owner.
        data_owners: Owner of rules on data, as `contracts` names it -> who is notified; else the owner of the source.
        team_leads: Team as the CRM names it -> its lead, notified of inactive members and ignored alerts, and weekly.
        head: Whom the leads answer to: notified of alerts that stay unanswered; the queue if there is none.
        slack: E-mail address of anybody -> user or channel of Slack; wins over what Slack knows by the address.
        calendars: Region of the account -> working calendar; ``default`` for all others.
        places: E-mail of a senior CSM -> how many key accounts that person has room for; empty: no limit.
    """

    queue: Person
    data_owners: dict[str, Person]
    team_leads: dict[str, Lead]
    head: Person | None
    slack: dict[Email, str]
    calendars: dict[str, WorkingCalendar]
    places: dict[Email, Annotated[int, Field(ge=0, le=1000)]]


class Answer(Strict):
    """What somebody answered about an id of the desk or the product.

    Args:
        source: The connection that uses the id.
        match: The account that it is, such as ``crm:1001``.
        no_match: An account that it is not, or ``all``.
        by: Who says so.
    """

    source: Identifier
    id: Annotated[str, Field(min_length=1)]
    match: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+)?$")] = ""
    no_match: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+|all)?$")] = ""
    reason: Annotated[str, Field(min_length=1)]
    by: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _says_one_thing(self) -> Answer:
        if bool(self.match) == bool(self.no_match):
            raise ValueError("says either match or no_match")
        return self


class Identity(Strict):
    """``identity.yaml``.

    Args:
        shared_domains: Domains by which no account is matched, next to those of mail providers.
        answers: What people answered.
    """

    shared_domains: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+([.][a-z0-9-]+)+$")], ...]
    answers: tuple[Answer, ...]

    @model_validator(mode="after")
    def _answers_once(self) -> Identity:
        matched: set[tuple[str, str]] = set()
        for answer in self.answers:
            key = (answer.source, answer.id)
            if answer.match and key in matched:
                raise ValueError(f"{answer.source} {answer.id} is answered with two accounts")
            if answer.match:
                matched.add(key)
        return self


Kept = Annotated[int, Field(ge=7, le=3660)]


class Retention(Strict):
    """``retention.yaml``: for how many days what passes through is kept."""

    batches: Annotated[int, Field(ge=90, le=3660)]  # the contracts compare with the weeks before
    results: Kept
    quarantine: Kept
    quarantine_values: Kept
    outbox_bodies: Kept
    explanations: Kept
    builds: Annotated[int, Field(ge=30, le=3660)]
    notices: Kept
    logs: Kept


class Settings(General):
    """All that is set: the keys of ``settings.yaml``, and one field per further file."""

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
    viewers: Viewers
