"""Steps before Airflow's components start."""

from __future__ import annotations

import json
from pathlib import Path

from include.orchestration.first_start import set_password


def test_passwords_of_other_users_survive_a_start(tmp_path: Path) -> None:
    path = tmp_path / "auth" / "passwords.json"
    set_password(path, "first")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"grace": "hers"}))
    set_password(path, "second")
    assert json.loads(path.read_text()) == {"admin": "second", "grace": "hers"}
    assert path.stat().st_mode & 0o777 == 0o600
