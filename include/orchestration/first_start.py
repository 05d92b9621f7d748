"""Migrate both databases to their newest version and set the password of the UI's user ``admin``.

``python -m include.orchestration.first_start`` runs before Airflow's components, both in the demo and in
docker-compose.yaml. It is safe to run at every start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from include.common.errors import ConfigError, PerennialError
from include.warehouse.migrate import migrate

PASSWORD = "PERENNIAL_UI_PASSWORD"  # noqa: S105 - a variable's name
AUTH_MANAGER = "AIRFLOW__CORE__AUTH_MANAGER"  # unset: Airflow's simple auth manager, for one person on one machine
PASSWORDS_FILE = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


def main() -> int:
    """Run all steps and return the exit status."""
    is_simple = not os.environ.get(AUTH_MANAGER)
    try:
        password = _required(PASSWORD)
        if is_simple:
            set_password(Path(_required(PASSWORDS_FILE)), password)
        migrate()
    except PerennialError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_status
    steps = [["airflow", "db", "migrate"], *([] if is_simple else [["include.orchestration.ui_user"]])]
    for step in steps:
        status = subprocess.run([sys.executable, "-m", *step], stdin=subprocess.DEVNULL).returncode
        if status:
            return status
    return 0


def set_password(path: Path, password: str) -> None:
    """Write the password of the user ``admin`` to the file of Airflow's simple login. Other users' passwords stay.

    It is a file and not a setting, because Airflow opens it for writing: a read-only secret would not work.

    Args:
        path: The file. Only its owner can read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(path.read_text()) if path.exists() else {}
    temporary = path.with_name(f"{path.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(kept | {"admin": password}, file)
    temporary.replace(path)


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"{name} is not set", cure="set it in the environment of this process")
    return value


if __name__ == "__main__":
    sys.exit(main())
