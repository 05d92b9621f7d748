"""The mail server accepts mails from smtplib, rejects like real ones, and can drop connections at any point."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.fixtures.sandbox import SandboxProcess


@pytest.fixture
def server(sandbox: SandboxProcess) -> Iterator[smtplib.SMTP]:
    with _connect(sandbox) as server:
        yield server


def _connect(sandbox: SandboxProcess) -> smtplib.SMTP:
    connection = sandbox.connection("smtp")
    server = smtplib.SMTP(connection["host"], connection["port"], timeout=600)
    server.login(connection["login"], connection["password"])
    return server


def _mail(to: str = "ada@vendor.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "perennial@vendor.example", to, "Renewal of Müller & Söhne 🚀"
    mail["Message-ID"] = "<key-1@perennial>"
    mail.set_content("plain text")
    mail.add_alternative("<p>as <b>HTML</b></p><script>alert(1)</script>", subtype="html")
    return mail


def test_mail_is_stored_unchanged(server: smtplib.SMTP, sandbox: SandboxProcess) -> None:
    assert server.send_message(_mail()) == {}
    [kept] = sandbox.inbox()["mails"]
    assert kept["subject"] == "Renewal of Müller & Söhne 🚀"
    assert kept["envelope_to"] == ["ada@vendor.example"]
    assert kept["message_id"] == "<key-1@perennial>"
    assert kept["text"].strip() == "plain text" and "<b>HTML</b>" in kept["html"]


def test_one_rejected_recipient_does_not_block_the_others(server: smtplib.SMTP, sandbox: SandboxProcess) -> None:
    refused = server.send_message(_mail(), to_addrs=["ada@vendor.example", "x@unknown.example", "y@full.example"])
    assert {address: code for address, (code, _) in refused.items()} == {
        "x@unknown.example": 550,
        "y@full.example": 452,
    }
    assert [mail["envelope_to"] for mail in sandbox.inbox()["mails"]] == [["ada@vendor.example"]]


def test_login_requires_the_password(sandbox: SandboxProcess) -> None:
    connection = sandbox.connection("smtp")
    with smtplib.SMTP(connection["host"], connection["port"], timeout=600) as server:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            server.login(connection["login"], "wrong")
        with pytest.raises(smtplib.SMTPSenderRefused):
            server.send_message(_mail())
    assert sandbox.inbox()["mails"] == []


@pytest.mark.parametrize(("kind", "n_kept"), [("drop_after", 1), ("drop_before", 0)])
def test_connection_lost_at_data_leaves_the_sender_uncertain(sandbox: SandboxProcess, kind: str, n_kept: int) -> None:
    sandbox.control("faults", vendor="smtp", method="DATA", kind=kind, times=1)
    server = _connect(sandbox)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        server.send_message(_mail())
    assert len(sandbox.inbox()["mails"]) == n_kept
    with _connect(sandbox) as again:
        again.send_message(_mail())
    assert len(sandbox.inbox()["mails"]) == n_kept + 1


def test_connection_refused(sandbox: SandboxProcess) -> None:
    sandbox.control("faults", vendor="smtp", method="CONNECT", kind="status", status=421, times=1)
    with pytest.raises(smtplib.SMTPConnectError):
        _connect(sandbox)
    _connect(sandbox).quit()
