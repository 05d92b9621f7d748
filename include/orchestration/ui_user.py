"""Set the password of the UI's user ``admin`` where FAB keeps the users: in Airflow's database.

``first_start`` runs it in a separate process. The password comes from the environment, because everybody on the machine
can read a command line.
"""

from __future__ import annotations

import os
import sys

from include.orchestration.first_start import PASSWORD

NAME, ROLE = "admin", "Admin"


def main() -> int:
    """Create the user, or change the password if it differs. Return the exit status."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.providers_manager import ProvidersManager
    from werkzeug.security import check_password_hash

    ProvidersManager().initialize_providers_configuration()
    password = os.environ[PASSWORD]
    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        user = security.find_user(username=NAME)
        if user is None:
            role = security.find_role(ROLE)
            is_done = bool(security.add_user(NAME, NAME, NAME, f"{NAME}@localhost", role, password))
        elif check_password_hash(user.password, password):
            is_done = True
        else:
            is_done = bool(security.reset_password(user.id, password))
    if not is_done:
        sys.stderr.write(f"error: the UI user {NAME} could not be created in Airflow's database\n")
    return 0 if is_done else 1


if __name__ == "__main__":
    sys.exit(main())
