"""Write values to fields of the CRM's account records.

Each record is read first, and only differing values are written: a new or restored store writes nothing that is already
there. Writing the same values twice is safe, so an uncertain write is simply repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from include.common import connections
from include.common.errors import ConfigError
from include.config import Settings
from include.deliver.channels.base import Outcome, Undeliverable
from include.deliver.channels.crm_field.base import Accounts, Values
from include.http.client import Refused
from include.outbox.store import Delivery


class CrmFields:
    name = "crm_field"
    is_repeatable = True

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.batch_size = accounts.batch_size
        self._known: set[str] = set()

    def address(self, delivery: Delivery) -> str:
        """Return the id of the record to write to."""
        if not {"record", "fields"} <= delivery.body.keys():
            raise Undeliverable(
                "the planned values have a format that this version cannot write",
                cure="nothing to do: the next decision plans them again",
            )
        return str(delivery.body["record"])

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Write the values that differ from the records'. Deliveries to one record are sent one after the other."""
        first = {delivery.address: delivery for delivery in reversed(deliveries)}
        rest = [delivery for delivery in deliveries if first[delivery.address] is not delivery]
        outcomes = self._send(list(first.values()))
        return {**outcomes, **self.send(rest)} if rest else outcomes

    def _send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        vendor, names = (
            self._accounts.vendor,
            sorted({name for delivery in deliveries for name in delivery.body["fields"]}),
        )
        self.check(names)
        current = self._accounts.read([delivery.address for delivery in deliveries], names)
        outcomes: dict[str, Outcome] = {}
        changes: dict[str, Values] = {}
        for delivery in deliveries:
            record = delivery.address
            if record not in current:
                reason = f"{vendor} has no account {record} | ingest the CRM: it was merged or deleted"
                outcomes[record] = Outcome("refused", reason)
            elif differing := self._accounts.differing(delivery.body["fields"], current[record]):
                changes[record] = differing
            else:
                outcomes[record] = Outcome("sent", "the record already had these values", external_id=record)
        outcomes |= self._write(changes)
        missing = Outcome("later", f"{vendor}'s response does not include it")
        return {delivery.key: outcomes.get(delivery.address, missing) for delivery in deliveries}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return nothing: ``send`` reads each record before it writes."""
        return {}

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Do nothing: previous values are not stored."""
        return {
            delivery.key: "the previous value is not stored, so the write cannot be undone" for delivery in deliveries
        }

    def close(self) -> None:
        self._accounts.close()

    def check(self, names: Sequence[str]) -> None:
        """Check that properties exist and may be written.

        Raises:
            ConfigError: A property is missing or read-only.
        """
        missing_properties = self._accounts.missing_properties([name for name in names if name not in self._known])
        if missing_properties:
            raise ConfigError(
                f"{self._accounts.vendor}'s accounts have no writable property {', '.join(missing_properties)}",
                cure="create it there and grant this login write access, or correct crm_field.fields in channels.yaml",
            )
        self._known.update(names)

    def unaccepted(self, name: str, values: Collection[str]) -> list[str]:
        """Return the values that a property does not accept, because it is a drop-down without them."""
        options = self._accounts.options(name) if values else None
        return [] if options is None else [value for value in values if value not in options]

    def _write(self, changes: Mapping[str, Values]) -> dict[str, Outcome]:
        if not changes:
            return {}
        try:
            return dict(self._accounts.write(changes))
        except Refused as error:
            if len(changes) == 1:
                return {record: Outcome("refused", str(error)) for record in changes}
            # One wrong value makes the vendor refuse the whole batch, so the records are written one by one.
            return {one: outcome for each in changes.items() for one, outcome in self._write(dict([each])).items()}


def connect(settings: Settings, source: str) -> CrmFields:
    """Return the channel of the CRM that a source's accounts are in.

    Raises:
        ConfigError: The connection is missing or wrong, or its vendor's records cannot be written.
    """
    connection = connections.get(settings.channels.crm_field.connections.get(source, source))
    if connection.vendor == "hubspot":
        from include.connectors.crm.hubspot.client import open_client
        from include.deliver.channels.crm_field.hubspot import Companies

        client = open_client(connection, settings.allowed_plain_http_hosts, connections.get(source))
        return CrmFields(Companies(client))
    if connection.vendor == "salesforce":
        from include.connectors.crm.salesforce import api
        from include.deliver.channels.crm_field.salesforce import SalesforceAccounts

        org = api.SalesforceApi(api.client(connection, settings.allowed_plain_http_hosts))
        return CrmFields(SalesforceAccounts(org))
    raise connection.error(
        f"has vendor {connection.vendor or '(none)'}; values can only be written to HubSpot and Salesforce",
        cure="set crm_field.dry_run to true in channels.yaml, or name a HubSpot or Salesforce connection",
    )
