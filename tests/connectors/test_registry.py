import pytest

from include.common.connections import make
from include.common.errors import ConfigError
from include.connectors.registry import connect


def test_connector_is_chosen_by_the_connection() -> None:
    for kind, extra in (("hubspot", {}), ("http", {"vendor": "hubspot"}), ("generic", {"vendor": "HubSpot"})):
        source = connect(make("crm", conn_type=kind, host="https://a.example", password="x", extra=extra))
        assert (source.vendor, source.kind) == ("hubspot", "crm")


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (make("nope", conn_type="hubspot"), "unknown source nope .*crm, support, product_db"),
        (
            make("crm", conn_type="zendesk"),
            "connection crm: names the vendor zendesk, but a crm source must be one of: hubspot",
        ),
        (make("crm", conn_type="http"), 'names no vendor.*"vendor" in its extra'),
        (make("crm", conn_type="hubspot", password="x"), "crm: has no host"),
        (make("crm", conn_type="hubspot", host="https://a.example"), "crm: has no password"),
    ],
)
def test_invalid_connection_is_reported(connection, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        connect(connection)
