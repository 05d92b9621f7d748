"""A mail server that stores mails and delivers nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from include.sandbox.core import Sandbox
from include.sandbox.faults import Faults, Rule

MOST_BYTES = 10 * 1024 * 1024
# Mail domains that refuse. Permanent refusals (5xx) must not be retried; temporary ones (4xx) must.
REFUSALS = {
    "unknown.example": "550 5.1.1 <{0}>: Recipient address rejected: User unknown",
    "noroute.example": "550 5.1.2 <{0}>: Recipient address rejected: Domain not found",
    "full.example": "452 4.2.2 <{0}>: mailbox full, try again later",
}


class Sink:
    """Handles the commands of one mail server.

    Args:
        sandbox: Stores the mails.
        faults: Active faults.
    """

    def __init__(self, sandbox: Sandbox, faults: Faults) -> None:
        self.sandbox, self.faults = sandbox, faults

    def protocol(self) -> SMTP:
        """Return the protocol of a new connection."""
        return _Protocol(
            self,
            hostname="sandbox.example",
            data_size_limit=MOST_BYTES,
            authenticator=self._authenticate,
            auth_required=True,
            auth_require_tls=False,  # it listens on loopback only
            enable_SMTPUTF8=True,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        is_known = (
            isinstance(data, LoginPassword)
            and data.login == b"perennial"
            and data.password == self.sandbox.secret("smtp").encode()
        )
        return AuthResult(success=is_known, handled=False)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        """Accept or refuse a recipient."""
        for rule in self.faults.take("smtp", "RCPT", address):
            return await self._broken(server, rule) or f"{rule.status} {rule.body or '5.1.1 refused'}"
        refusal = REFUSALS.get(address.rpartition("@")[2].lower())
        if refusal:
            return refusal.format(address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Store a mail."""
        rules = self.faults.take("smtp", "DATA", ",".join(envelope.rcpt_tos))
        kinds = {rule.kind for rule in rules}
        for rule in rules:
            if rule.kind in ("drop_before", "hang"):
                return await self._broken(server, rule) or "451 4.3.0 try again later"
            if rule.kind == "status":
                return f"{rule.status} {rule.body or '4.3.0 not now'}"
        for _ in range(2 if "twice" in kinds else 1):
            body = envelope.original_content or b""
            self.sandbox.journal.add_mail(self.sandbox.now(), envelope.mail_from or "", envelope.rcpt_tos, body)
        for rule in rules:
            if rule.kind == "late":
                await asyncio.sleep(rule.seconds)
            if rule.kind == "drop_after":
                # The mail is stored, but the connection breaks before the response, so the sender cannot know.
                await self._broken(server, rule)
        return "250 2.0.0 OK: queued"

    async def _broken(self, server: SMTP, rule: Rule) -> str:
        """Break the connection, at once or after a delay. Return "" for a rule that only refuses."""
        if rule.kind == "hang":
            await asyncio.sleep(rule.seconds)
            return "421 4.4.2 timeout"
        if rule.kind in ("drop_before", "drop_after"):
            if isinstance(server.transport, asyncio.Transport):
                server.transport.abort()
            return "421 4.4.2 connection lost"
        return ""


class _Protocol(SMTP):
    def __init__(self, sink: Sink, **options: Any) -> None:
        self._sink = sink
        super().__init__(sink, **options)

    def connection_made(self, transport: Any) -> None:
        if rules := self._sink.faults.take("smtp", "CONNECT", ""):
            transport.write(f"{rules[0].status if rules[0].kind == 'status' else 421} 4.3.2 not now\r\n".encode())
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.session is not None:  # None if the connection was refused
            super().connection_lost(error)
