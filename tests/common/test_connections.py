import contextlib
import json

import pytest

from include.common import connections
from include.common.errors import ConfigError
from include.connectors.database.urls import url_of

FORMS = [
    '{"conn_type": "hubspot", "host": "https://api.hubapi.com", "password": "t0ken"}',
    '{"conn_type": "http", "host": "https://x.zendesk.com", "login": "a@b.c/token", "password": "p", '
    '"extra": {"vendor": "zendesk", "n": 3}}',
    '{"conn_type": "generic", "host": "h", "port": "5432", "extra": "{\\"vendor\\": \\"postgres\\"}"}',
    "hubspot://:t0ken@https%3A%2F%2Fapi.hubapi.com",
    "http://https://:t0ken@api.hubapi.com:8443/base?vendor=hubspot",
    "http://:t0ken@http%3A%2F%2F127.0.0.1%3A8080%2Fhubspot/?vendor=hubspot",
    "postgresql://user:p%40ss%2Fword@db.internal:5433/app?sslmode=require&timeout=10",  # short: never reached
    "google-cloud-platform://?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1%7D%7D",
    "smtp://user:pass@mail.example.com:587?from_email=a%40b.example&starttls=true&empty=",
    "postgres://@:5432/",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_connection_form_is_parsed_like_airflow(form: str) -> None:
    from airflow.models.connection import Connection as Reference  # noqa: TID251 - the reference to agree with

    reference = Reference.from_json(form, conn_id="crm") if form.startswith("{") else Reference(conn_id="crm", uri=form)
    ours = connections.parse("crm", form)
    assert (ours.conn_type, ours.host, ours.port) == (reference.conn_type, reference.host or "", reference.port)
    assert (ours.login, ours.password) == (reference.login or "", reference.password or "")
    assert ours.schema == (reference.schema or "")
    assert ours.extra == (json.loads(reference.extra) if reference.extra else {})


@pytest.mark.parametrize(
    ("form", "vendor"),
    [
        (FORMS[0], "hubspot"),
        (FORMS[1], "zendesk"),
        (FORMS[2], "postgres"),
        (FORMS[3], "hubspot"),
        (FORMS[6], "postgres"),
    ],
)
def test_vendor_is_the_connection_type_or_set_in_extra(form: str, vendor: str) -> None:
    assert connections.parse("x", form).vendor == vendor


@pytest.mark.parametrize(
    ("form", "url"),
    [
        (FORMS[0], "https://api.hubapi.com"),
        (FORMS[3], "https://api.hubapi.com"),
        (FORMS[4], "https://api.hubapi.com:8443/base"),
        (FORMS[5], "http://127.0.0.1:8080/hubspot"),
        ('{"conn_type": "http", "schema": "https", "host": "https://a.example/x/"}', "https://a.example/x"),
    ],
)
def test_base_url(form: str, url: str) -> None:
    assert connections.parse("crm", form).base_url() == url


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", "has no host"),
        ("api.hubapi.com", "not a full base URL"),
        ("ftp://api.hubapi.com", "not a full base URL"),
        ("http://api.hubapi.com", "plain text"),
        ("http://127.0.0.1.example.com", "plain text"),
        ("https://user:s3cret@api.hubapi.com", "more than a base URL"),
        ("user:s3cret@api.hubapi.com", "not a full base URL"),
        ("https://a b", "whitespace"),
        ("https://api.x/\\@evil", "backslash"),
        ("https://api.x:port", "not a base URL"),
        ("https://[::1", "not a base URL"),
        ("https://api.x%00.evil", "not a valid host name"),
    ],
)
def test_unsafe_or_unusable_host_is_rejected(host: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        connections.make("crm", conn_type="hubspot", host=host, password="s3cret").base_url()
    assert "AIRFLOW_CONN_CRM" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_plain_http_is_allowed_if_configured() -> None:
    connection = connections.make("crm", host="http://crm.internal:8000")
    assert connection.base_url(("crm.internal",)) == "http://crm.internal:8000"


def test_missing_connection_shows_where_to_configure_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SUPPORT", raising=False)
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_SUPPORT"):
        connections.get("support")


@pytest.mark.parametrize(
    "value", ["s3cret", "{s3cret", '{"port": "s3cret"}', "a://b://c://s3cret", "x://h:s3cret", '{"extra": "[1]"}']
)
def test_unparsable_connection_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", value)
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_CRM is neither") as caught:
        connections.get("crm")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("password", ["pass@s3cret", "pass@s3cret/more", "pass/s3cret@more", "12/s3cret", "a@b/s3cret"])
def test_a_uri_that_is_cut_inside_its_password_is_not_shown(password: str) -> None:
    with contextlib.suppress(ConfigError):
        found = connections.parse("product_db", f"postgres://me:{password}@db.example:5432/app")
        assert (found.host, found.password, found.schema) == ("db.example", password, "app")
    for url in (f"postgresql://me:{password}@db.example/app", f"mysql+pymysql://me:{password}@db.example:3306"):
        made = connections.make("product_db", extra={"sqlalchemy_url": url})
        with contextlib.suppress(ConfigError):
            assert (url_of(made).host, url_of(made).password) == ("db.example", password)


def test_environment_wins_over_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", FORMS[0])
    monkeypatch.delenv("AIRFLOW_CONN_OTHER", raising=False)
    connections.set_resolver(lambda name: connections.make(name, host="resolved"))
    try:
        assert connections.get("crm").host == "https://api.hubapi.com"
        assert connections.get("other").host == "resolved"
    finally:
        connections.set_resolver(None)


def test_secrets_are_not_shown() -> None:
    shown = repr(connections.make("crm", password="s3cret", extra={"refresh_token": "s3cret"}))
    assert "s3cret" not in shown


def test_missing_required_secret_is_reported() -> None:
    with pytest.raises(ConfigError, match="crm: has no password"):
        connections.make("crm", host="https://a.example").secret()


def test_whitespace_around_a_copied_secret_is_stripped() -> None:
    made = connections.make(
        "crm", conn_type="hubspot", host=" https://api.hubapi.com\n", login="me\r\n", password=" t0ken-value\n",
        extra={"refresh_token": "r3fresh\n"},
    )  # fmt: skip
    assert (made.host, made.login, made.password) == ("https://api.hubapi.com", "me", "t0ken-value")
    assert made.extra == {"refresh_token": "r3fresh"}


@pytest.mark.parametrize("field", ["host", "login", "password", "schema", "extra"])
@pytest.mark.parametrize("sign", ["\r\n", "\0", "\x1f", "\u2028", "\x85"])
def test_control_character_in_a_secret_is_rejected_and_not_shown(field: str, sign: str) -> None:
    value = f"s3cret{sign}Host: x"
    given = {"extra": {"token": value}} if field == "extra" else {field: value}
    with pytest.raises(ConfigError, match="control character") as caught:
        connections.make("crm", conn_type="hubspot", **given)
    assert "s3cret" not in str(caught.value)


def test_token_invalid_in_a_header_is_rejected_but_any_database_password_is_valid() -> None:
    with pytest.raises(ConfigError, match="HTTP headers do not allow") as caught:
        connections.make("crm", conn_type="hubspot", password="пароль-t0ken")
    assert "t0ken" not in str(caught.value)
    assert connections.make("product_db", conn_type="postgres", password="пароль").password == "пароль"


def test_private_key_line_breaks_are_kept_only_in_key_fields() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----"
    made = connections.make("crm", conn_type="salesforce", schema=key, extra={"private_key": key})
    assert (made.schema, made.extra["private_key"]) == (key, key)
    for given in ({"password": key}, {"login": key}, {"extra": {"private_key": f"x{key}"}}):
        with pytest.raises(ConfigError, match="control character"):
            connections.make("crm", conn_type="salesforce", **given)
