"""A person in the settings."""

from __future__ import annotations

from include.config.documents import Strict
from include.config.fields import Email


class Person(Strict):
    """A person who receives messages."""

    name: str
    email: Email
    slack: str = ""


class Lead(Person):
    """A team's lead. ``region`` names the lead's working calendar in ``people.yaml``."""

    region: str = "default"
