"""A mail server that fails at the moment it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """A mail server that fails at the moment it is told to.

    Args:
        answers: Verb -> answer instead of the usual one; "" breaks the connection. ``CONTENT`` is the end of the mail;
            broken off there, the mail counts as taken.
    """

    answers: dict[str, str] = field(default_factory=dict)
    mails: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # A client may leave in the middle of an answer.
            with suppress(ConnectionError), connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 ready\r\n")
                self._talk(connection, lines)

    def _talk(self, connection: socket.socket, lines) -> None:  # type: ignore[no-untyped-def]
        for line in lines:
            verb = line.split(b":")[0].split()[0].upper().decode()
            usual = {"EHLO": "250 hello", "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 ok")
            if verb == "RCPT":
                self.recipients.append(line.decode().strip())
            answer = self.answers.get(verb, usual)
            if not answer:
                return
            connection.sendall(f"{answer}\r\n".encode())
            if verb == "QUIT":
                return
            if verb == "DATA" and answer.startswith("354"):
                content = b""
                for part in lines:
                    if part == b".\r\n":
                        break
                    content += part[1:] if part.startswith(b"..") else part
                ending = self.answers.get("CONTENT", "250 taken")
                if not ending or ending.startswith("250"):
                    self.mails.append(content)
                if not ending:
                    return
                connection.sendall(f"{ending}\r\n".encode())


@contextmanager
def running(server: MailServer) -> Iterator[MailServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closed alone, it would go on waiting on a number that the next test's listener may get.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
