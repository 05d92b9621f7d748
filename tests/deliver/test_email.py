"""Mails: headers, and the outcome of a server failure at each point."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest

from include.common.errors import AuthError, ConfigError, Unavailable
from include.config import load
from include.deliver.channels.base import Outcome, Undeliverable
from include.deliver.channels.email import EmailChannel
from include.outbox.message import Message
from tests.deliver.example_messages import delivery
from tests.fixtures.mail_server import MailServer, running


@pytest.fixture
def server(socket_enabled: None) -> Iterator[MailServer]:
    with running(MailServer()) as started:
        yield started


@pytest.fixture
def channel(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmailChannel]:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", f'{{"conn_type": "smtp", "host": "127.0.0.1", "port": {server.port}}}')
    opened = EmailChannel.connect(load())
    yield opened
    opened.close()


def send(channel: EmailChannel, **changes: object) -> Outcome:
    one = delivery("email", address="ada@vendor.example", **changes)
    return channel.send([one])[one.key]


def test_mail_format(channel: EmailChannel, server: MailServer) -> None:
    outcome = send(channel)
    one = delivery("email")
    assert outcome == Outcome("sent", external_id=f"<{one.key}@example.com>")
    mail = message_from_bytes(server.mails[0], policy=policy.default)
    assert mail["To"] == "ada@vendor.example"
    assert mail["From"] == "Perennial <perennial@example.com>"
    assert mail["Subject"] == "Customer 1: 30 days to the renewal date"
    assert mail["Message-ID"] == f"<{one.key}@example.com>"
    assert mail["Date"] == "Mon, 16 Nov 2026 09:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<mailto:perennial@example.com?subject=unsubscribe>"
    assert "Usage 38% below" in mail.get_body(("plain",)).get_content()
    assert "<h1" in mail.get_body(("html",)).get_content()


def test_mails_about_one_account_share_a_thread(channel: EmailChannel, server: MailServer) -> None:
    send(channel, step="30")
    send(channel, step="14")
    first, second = (message_from_bytes(mail, policy=policy.default) for mail in server.mails)
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]


def test_mails_about_a_persons_day_share_no_thread_with_an_account(channel: EmailChannel, server: MailServer) -> None:
    send(channel, entity_kind="csm", rule="digest")
    send(channel, entity_kind="report", account_key="")
    for mail in server.mails:
        read = message_from_bytes(mail, policy=policy.default)
        assert (read["References"], read["In-Reply-To"]) == (None, None)


@pytest.mark.parametrize(
    "subject",
    [
        "Söhne 30 Termin: à Tage Müller Termin: Söhne Müller",
        "renewal Bilan, A/B A/B Bilan, KG Abo Jahr 1.234.567 Bilan, d’abonnement Acme date (EMEA) à Müller renewal",
        "renewal: Abo & Co. Co. 北京 Genève 1.234.567 杭州某某科技有限公司 d’abonnement renewal GmbH Jahr",
        "杭州某某科技有限公司 🚀 " * 9,
    ],
)
def test_subject_in_any_language_arrives_as_written(channel: EmailChannel, server: MailServer, subject: str) -> None:
    send(channel, body=Message(subject=subject, summary="y").model_dump(mode="json"))
    assert message_from_bytes(server.mails[0], policy=policy.default)["Subject"] == subject.strip()
    head = server.mails[0].partition(b"\r\n\r\n")[0]
    assert head.isascii() and max(map(len, head.split(b"\r\n"))) <= 78


def test_name_cannot_inject_a_header(channel: EmailChannel, server: MailServer) -> None:
    hostile = Message(subject="Acme\r\nBcc: all@vendor.example\r\n\r\nx", summary="y").model_dump(mode="json")
    assert send(channel, body=hostile).state == "sent"
    mail = message_from_bytes(server.mails[0], policy=policy.default)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Acme Bcc: all@vendor.example x"


def test_line_with_a_single_dot_does_not_end_the_mail(channel: EmailChannel, server: MailServer) -> None:
    body = Message(subject="x", summary=".", why_now=". . .").model_dump(mode="json")
    send(channel, body=body)
    text = message_from_bytes(server.mails[0], policy=policy.default).get_body(("plain",)).get_content()
    assert "." in text.splitlines()
    assert text.splitlines()[-1] == ". . ."


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({"RCPT": "550 5.1.1 unknown user"}, "refused"),
        ({"MAIL": "552 5.3.4 too big"}, "refused"),
        ({"RCPT": "450 4.2.1 try again later"}, "later"),
        ({"DATA": "451 4.3.0 not now"}, "later"),
        ({"CONTENT": "554 5.7.1 looks like spam"}, "refused"),
        ({"CONTENT": "452 4.3.1 full"}, "later"),
        ({"MAIL": "421 4.3.2 shutting down"}, "later"),
        ({"CONTENT": ""}, "uncertain"),
    ],
)
def test_smtp_responses_map_to_outcomes(
    channel: EmailChannel, server: MailServer, answers: dict[str, str], state: str
) -> None:
    server.answers = answers
    assert send(channel).state == state
    server.answers = {}
    assert send(channel, step="14").state == "sent"  # the next mail is unaffected


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_connection_lost_before_the_content_is_not_uncertain(
    channel: EmailChannel, server: MailServer, verb: str
) -> None:
    server.answers = {verb: "", "HELO": ""}
    with pytest.raises(Unavailable, match="does not answer"):
        send(channel)
    assert server.mails == []


def test_unreachable_mail_server(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", '{"conn_type": "smtp", "host": "127.0.0.1", "port": 9}')
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        send(EmailChannel.connect(load()))


def test_rejected_login_does_not_show_the_password(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"EHLO": "250-hello\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 no"}
    with running(MailServer(answers)) as server:
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP",
            f'{{"conn_type": "smtp", "host": "127.0.0.1", "port": {server.port}, "login": "me", "password": "hush"}}',
        )
        with pytest.raises(AuthError, match="535") as caught:
            send(EmailChannel.connect(load()))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["", "ada", "a@b", "a b@c.example", "a@c.example,b@c.example", "a@c.example\r\nBcc: x@y.example", "ä@c.de"],
)
def test_invalid_address_is_rejected(channel: EmailChannel, address: str) -> None:
    with pytest.raises(Undeliverable):
        channel.address(delivery("email", recipient=address))


def test_mail_server_has_no_history(channel: EmailChannel) -> None:
    assert channel.find("ada@vendor.example", delivery().sending_at) is None


class _Offering:
    """A fake of a remote mail server."""

    def __init__(self, *offers: str) -> None:
        self.offers, self.is_encrypted = offers, False

    def __call__(self, *_: object, **__: object) -> _Offering:
        return self

    def ehlo_or_helo_if_needed(self) -> None: ...

    def has_extn(self, name: str) -> bool:
        return name in self.offers

    def starttls(self, context: object) -> None:
        self.is_encrypted = True

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("offers", "extra", "is_encrypted"),
    [(["starttls"], "", True), ([], "", None), ([], '"starttls": true', None), ([], '"starttls": false', False)],
)
def test_remote_mail_server_requires_tls_unless_disabled(
    monkeypatch: pytest.MonkeyPatch, offers: list[str], extra: str, is_encrypted: bool | None
) -> None:
    offering = _Offering(*offers)
    monkeypatch.setattr("include.deliver.channels.email._Server", offering)
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", f'{{"conn_type": "smtp", "host": "mail.example", "extra": {{{extra}}}}}')
    channel = EmailChannel.connect(load())
    if is_encrypted is None:
        with pytest.raises(ConfigError, match="STARTTLS"):
            channel._open()
        return
    channel._open()
    assert offering.is_encrypted is is_encrypted


@pytest.mark.parametrize(("verb", "state"), [("EHLO", ""), ("CONTENT", "uncertain")])
def test_endless_smtp_response_is_cut_off(channel: EmailChannel, server: MailServer, verb: str, state: str) -> None:
    server.answers[verb] = "\r\n".join(["250-and more"] * 2_000 + ["250 at last"])
    if state:
        assert send(channel).state == state
    else:
        with pytest.raises(Unavailable, match="more than 200 lines"):
            send(channel)
