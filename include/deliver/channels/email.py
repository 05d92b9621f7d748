"""Send e-mail over SMTP.

A mail server keeps no history to look up: if the connection breaks after the content was sent, nobody knows whether the
server accepted the mail. Such a mail is uncertain and is never sent again blindly. The Message-ID is derived from the
key, so that a mail program may drop a duplicate. Each mail has one recipient, so that a refused address does not affect
another.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import smtplib
import ssl
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any

from include.common import clock, connections
from include.common.connections import Connection
from include.common.errors import AuthError, Unavailable
from include.config import Settings
from include.deliver.channels.base import Outcome, Undeliverable, message_of
from include.deliver.render import email as render_mail
from include.deliver.subjects import SUBJECTS
from include.outbox.store import Delivery

_TIMEOUT = 30.0
# The maximum number of lines in one answer. The longest answer, to EHLO, lists about twenty server capabilities.
_MOST_LINES = 200
# One plain ASCII address. Anything else could add recipients or headers.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Policy(EmailPolicy):
    """Encodes a subject as a whole.

    Python's own policy encodes it word by word. Where two encoded words meet it loses the space between them, or shows
    the code (https://github.com/python/cpython/issues/144156: Yahoo refuses such a mail).
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return a header as it is sent."""
        if name != "Subject" or value.isascii():
            return super().fold_binary(name, value)
        encoded = Header(value, "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}".encode()


_SENT = _Policy(linesep="\r\n")


class _Lines:
    """The lines of one answer, with an upper limit."""

    def __init__(self, lines: Any) -> None:
        self._lines, self._left = lines, _MOST_LINES

    def readline(self, size: int) -> bytes:
        """Return the next line.

        Raises:
            OSError: The answer has too many lines.
        """
        self._left -= 1
        if self._left < 0:
            raise OSError(f"its answer has more than {_MOST_LINES} lines")
        line: bytes = self._lines.readline(size)
        return line

    def again(self) -> None:
        """Reset the limit for the next answer."""
        self._left = _MOST_LINES

    def close(self) -> None:
        self._lines.close()


class _Server(smtplib.SMTP):
    """A mail server with an upper limit on its answers. ``smtplib`` reads as long as a line announces another one."""

    def getreply(self) -> tuple[int, bytes]:
        """Return the answer to the last command."""
        lines = self.file
        if lines is None and self.sock is not None:
            lines = self.file = _Lines(self.sock.makefile("rb"))
        if lines is not None:
            lines.again()
        return super().getreply()


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """A server that is encrypted from the start."""


class EmailChannel:
    """Sends mails through one server, over one connection while it lasts.

    Args:
        connection: The server, and its login if it needs one.
        from_name: The name shown as the sender.
        from_address: The sender's address. Bounces go there.
        unsubscribed: Addresses that get no mails.
    """

    name = "email"
    batch_size = 1
    is_repeatable = False

    def __init__(
        self, connection: Connection, from_name: str, from_address: str, unsubscribed: Collection[str] = ()
    ) -> None:
        self._connection = connection
        self._from_name = from_name
        self._from_address = from_address
        self._unsubscribed = {address.lower() for address in unsubscribed}
        self._server: smtplib.SMTP | None = None

    @classmethod
    def connect(cls, settings: Settings) -> EmailChannel:
        """Return the channel of the server that channels.yaml names. It connects when there is something to send.

        Raises:
            ConfigError: The connection is missing or wrong.
        """
        chosen = settings.channels.email
        connection = connections.get(chosen.connection)
        if not connection.host:
            raise connection.error("has no host", cure="write the mail server's name into its host field")
        sender = str(connection.extra.get("from_email") or chosen.from_address)
        return cls(connection, chosen.from_name, sender, chosen.unsubscribed)

    def address(self, delivery: Delivery) -> str:
        """Return the recipient's address, if it is valid and not unsubscribed."""
        if not _ADDRESS.fullmatch(delivery.recipient):
            raise Undeliverable(
                f"{delivery.recipient!r} is not a valid e-mail address",
                cure="correct the person's address in the CRM",
            )
        if delivery.recipient.lower() in self._unsubscribed:
            raise Undeliverable(
                f"{delivery.recipient} has unsubscribed from e-mail",
                cure="name a second channel in channels.yaml, or remove the address from email.unsubscribed",
            )
        message_of(delivery)
        return delivery.recipient

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        (delivery,) = deliveries
        content = self.compose(delivery).as_bytes(policy=_SENT)
        server = self._connected()
        try:
            refused = _envelope(server, self._from_address, delivery.address)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise _unavailable(self._connection, error) from None
        if refused:
            return {delivery.key: refused}
        # If the connection breaks after this point, nobody knows whether the server accepted the mail.
        try:
            code, reply = _content(server, content)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            return {delivery.key: Outcome("uncertain", f"the connection broke after the mail was sent: {error}")}
        if code == 250:
            return {delivery.key: Outcome("sent", external_id=self._message_id(delivery.key))}
        return {delivery.key: _refusal(server, code, reply)}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return None: a mail server keeps no history for the sender."""
        return None

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Do nothing: an accepted mail cannot be withdrawn."""
        return {delivery.key: "an e-mail cannot be taken back" for delivery in deliveries}

    def close(self) -> None:
        """Log out of the server."""
        server, self._server = self._server, None
        if server is None:
            return
        try:
            server.quit()
        except (smtplib.SMTPException, OSError):
            server.close()

    def greet(self) -> str:
        """Log in without sending anything, and return a description of the server."""
        server = self._connected()
        secure = "over TLS" if isinstance(server.sock, ssl.SSLSocket) else "without TLS"
        login = f", logged in as {self._connection.login}" if self._connection.login else ", without a login"
        return f"{self._connection.host}:{self._connection.port or 25} {secure}{login}"

    def compose(self, delivery: Delivery) -> EmailMessage:
        """Return the mail with both bodies, marked as automatic. Alerts about an account are one thread."""
        message = message_of(delivery)
        mail = EmailMessage()
        mail["From"] = Address(self._from_name, addr_spec=self._from_address)
        mail["To"] = delivery.address or delivery.recipient
        mail["Subject"] = render_mail.subject(message)
        mail["Date"] = format_datetime((delivery.sending_at or clock.now()).astimezone(UTC))
        mail["Message-ID"] = self._message_id(delivery.key)
        # Mail programs show mails with one reference as one conversation, whatever they are about
        # (https://github.com/openstreetmap/openstreetmap-website/issues/4047): digests and reports would hide in it.
        if delivery.entity_kind in SUBJECTS:
            account = hashlib.sha256(delivery.account_key.encode()).hexdigest()[:20]
            mail["References"] = mail["In-Reply-To"] = self._message_id(f"account-{account}")
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["List-Unsubscribe"] = f"<mailto:{self._from_address}?subject=unsubscribe>"
        mail.set_content(render_mail.text(message))
        mail.add_alternative(render_mail.html(message), subtype="html")
        return mail

    def _message_id(self, name: str) -> str:
        return f"<{name}@{self._from_address.rpartition('@')[2]}>"

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            try:
                if self._server.noop()[0] == 250:
                    return self._server
            except (smtplib.SMTPException, OSError):
                pass
            self.close()
        self._server = self._open()
        return self._server

    def _open(self) -> smtplib.SMTP:
        connection = self._connection
        is_local = connection.host in _LOOPBACK
        try:
            with contextlib.ExitStack() as unfinished:
                if connection.extra.get("ssl"):
                    server: smtplib.SMTP = _TlsServer(
                        connection.host, connection.port or 465, timeout=_TIMEOUT, context=ssl.create_default_context()
                    )
                else:
                    server = _Server(connection.host, connection.port or 25, timeout=_TIMEOUT)
                unfinished.callback(server.close)
                if not connection.extra.get("ssl"):
                    server.ehlo_or_helo_if_needed()
                    # A man in the middle can remove STARTTLS from the server's answer, so only the connection's own
                    # settings may turn encryption off.
                    wanted = connection.extra.get("starttls", not is_local or server.has_extn("starttls"))
                    if wanted and not server.has_extn("starttls"):
                        raise connection.error(
                            "the mail server offers no encryption (STARTTLS), so mails could be read in transit",
                            cure='correct host and port, set "ssl": true for a server that uses TLS from the start,'
                            ' or accept it with "starttls": false in its extra',
                        )
                    if wanted:
                        server.starttls(context=ssl.create_default_context())
                    elif connection.login and not is_local:
                        raise connection.error(
                            "would send its password in plain text", cure="set starttls or ssl to true in its extra"
                        )
                if connection.login:
                    server.login(connection.login, connection.password)
                unfinished.pop_all()
        except smtplib.SMTPAuthenticationError as error:
            raise AuthError(
                f"the mail server {connection.host} refuses the login: {error.smtp_code}",
                cure=f"correct login and password of connection {connection.id}",
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise _unavailable(connection, error) from None
        return server


def _envelope(server: smtplib.SMTP, sender: str, recipient: str) -> Outcome | None:
    """Announce sender, recipient and content. Return the refusal, if there is one."""
    code, reply = server.mail(sender)
    if code == 250:
        code, reply = server.rcpt(recipient)
    if code in (250, 251):
        code, reply = server.docmd("DATA")
    if code == 354:
        return None
    refusal = _refusal(server, code, reply)
    if code != 421:
        server.rset()
    return refusal


def _content(server: smtplib.SMTP, content: bytes) -> tuple[int, bytes]:
    """Send the content of the mail, and return the server's answer.

    ``smtplib``'s own ``data`` announces and sends in one call, but only the second half is uncertain when the
    connection breaks.
    """
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
    server.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    return server.getreply()


def _refusal(server: smtplib.SMTP, code: int, reply: bytes) -> Outcome:
    text = f"the mail server answered {code} {reply.decode(errors='replace')[:200]}"
    if code == 421:
        server.close()
    if 400 <= code < 500:
        return Outcome("later", text)
    return Outcome("refused", f"{text} | correct the person's address, or ask the mail server's administrator")


def _unavailable(connection: Connection, error: Exception) -> Unavailable:
    return Unavailable(
        f"the mail server {connection.host}:{connection.port or 25} does not answer: {error}",
        cure=f"check connection {connection.id}; unsent mails are retried",
    )
