"""Delete the embedded database and all else that Perennial created. For ``clean.sh``: standard library only."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from include.common import home, paths
from include.common.errors import PerennialError
from include.warehouse.embedded import server


def main() -> int:
    """Run it and return the exit status."""
    try:
        server.destroy()
        left = home.clear(paths.home())
    except PerennialError as error:
        sys.stderr.write(f"perennial: {error.message}\n           {error.cure}\n")
        return error.exit_status
    if left:
        sys.stdout.write(f"Not removed from {paths.home()}, since Perennial did not create it: {', '.join(left)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
