"""The demo's own settings: its channels are turned on, since they lead to the sandbox's own sinks and nowhere else."""

from __future__ import annotations

from pathlib import Path

CHANNELS = """# Written by the demo: these channels lead to the sandbox's inbox.
slack: {dry_run: false}
email: {dry_run: false}
crm_task: {dry_run: false}
"""


def write(home: Path) -> None:
    """Write the overlay that ``PERENNIAL_CONFIG_DIR`` of the demo's processes names."""
    folder = home / "overlay" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "channels.yaml").write_text(CHANNELS)
