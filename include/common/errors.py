"""Errors a person is meant to read: each says what is wrong, where, and what to do."""

from __future__ import annotations

from include.common.secrets import hidden


class PerennialError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: What is wrong, naming the file, line, field or record, without any secret.
        cure: What the reader can do about it, as a sentence or a command.
    """

    exit_status = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        # What vendors and databases say is part of many a message, and may hold what they were sent.
        self.message = hidden(message)
        self.cure = cure
        super().__init__(f"{self.message} | {cure}" if cure else self.message)


class ConfigError(PerennialError):
    """A setting, mapping, SQL file or playbook is wrong. Retrying cannot help."""

    exit_status = 2


class NotOffered(ConfigError):
    """The other side has not got something that only some have, or does not show it to us: it is not available."""


class AuthError(PerennialError):
    """The other side refused our credentials or scopes. Retrying cannot help."""

    exit_status = 3


class Forbidden(AuthError):
    """We are known, but may not do this: a scope is missing."""


class ContractError(PerennialError):
    """Data broke its contract and is held. Retrying cannot help."""

    exit_status = 4


class Unavailable(PerennialError):
    """The other side is down, slow or throttling. Retrying later helps."""

    exit_status = 5


class QuotaExhausted(Unavailable):
    """A daily quota is used up; the run ends as partial.

    Args:
        message: As for PerennialError.
        resumes_at: ISO time at which the vendor allows calls again, if it said so.
        cure: As for PerennialError.
    """

    exit_status = 6

    def __init__(self, message: str, *, resumes_at: str = "", cure: str = "") -> None:
        self.resumes_at = resumes_at
        super().__init__(message, cure=cure)


class WarehouseError(PerennialError):
    """The warehouse refused, is missing, or has no space."""

    exit_status = 7
