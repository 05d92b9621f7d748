"""The demo's persistent state: its secrets and its UI's port, readable only by its owner."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from include.sandbox.demo.processes import DemoError


@dataclass
class State:
    """Secrets of one demo folder.

    Args:
        password: Of the user ``admin`` in Airflow's UI.
        jwt_secret: Signs the tokens of Airflow's APIs.
        api_secret: Signs its session cookies.
        fernet_key: Encrypts connections in its database.
        port: Port of its UI, kept so that bookmarks stay valid.
    """

    password: str
    jwt_secret: str
    api_secret: str
    fernet_key: str
    port: int = 0


def load(home: Path) -> State:
    """Return the stored state, creating it the first time.

    Raises:
        DemoError: The file cannot be read or written.
    """
    path = home / "demo.json"
    try:
        if path.exists():
            return State(**json.loads(path.read_text()))
        state = State(
            password=secrets.token_urlsafe(12),
            jwt_secret=secrets.token_hex(32),
            api_secret=secrets.token_hex(32),
            fernet_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
        )
        save(home, state)
    except (OSError, ValueError, TypeError) as error:
        raise DemoError(
            f"cannot keep the demo's secrets in {path}: {error}",
            cure="make it readable or restore it; `make clean` removes it together with the warehouse",
        ) from None
    return state


def save(home: Path, state: State) -> None:
    """Write the state atomically."""
    write_private(home / "demo.json", json.dumps(asdict(state), indent=2))


def write_private(path: Path, text: str) -> None:
    """Atomically write a file that only its owner can read."""
    temporary = path.with_name(f"{path.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)
