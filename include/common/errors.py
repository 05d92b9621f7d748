"""Errors written for people: what failed, where, and what to do."""

from __future__ import annotations

from include.common.secrets import hidden


class PerennialError(Exception):
    """Base of every error that Perennial raises on purpose.

    Args:
        message: What failed, with the file, line, field or record, and without secrets.
        cure: What the reader can do about it, as a sentence or a command.
    """

    exit_status = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        # Many messages quote a vendor or a database, which may echo a secret it was sent.
        self.message = hidden(message)
        self.cure = cure
        super().__init__(f"{self.message} | {cure}" if cure else self.message)


class ConfigError(PerennialError):
    """A setting, mapping, SQL file or playbook is wrong. Retrying does not help."""

    exit_status = 2


class NotOffered(ConfigError):
    """The vendor does not offer this feature or hides it from us, so its data is not available."""


class AuthError(PerennialError):
    """The vendor refused our credentials or scopes. Retrying does not help."""

    exit_status = 3


class Forbidden(AuthError):
    """The credentials are valid, but a scope is missing."""


class ContractError(PerennialError):
    """Data failed its contract and is on hold. Retrying does not help."""

    exit_status = 4


class Unavailable(PerennialError):
    """The vendor is down, slow or rate-limiting. Retrying later helps."""

    exit_status = 5


class QuotaExhausted(Unavailable):
    """A daily quota is used up. The run ends as partial.

    Args:
        message: As for PerennialError.
        resumes_at: ISO time at which the vendor accepts calls again, if it gave one.
        cure: As for PerennialError.
    """

    exit_status = 6

    def __init__(self, message: str, *, resumes_at: str = "", cure: str = "") -> None:
        self.resumes_at = resumes_at
        super().__init__(message, cure=cure)


class WarehouseError(PerennialError):
    """The warehouse is missing, refused a statement, or is out of disk space."""

    exit_status = 7
