"""Install pinned requirements with pip and show progress: ``python install.py FILE ...``, for ``setup.sh``.

Only the standard library is available at this point. pip's own progress bars show nothing without a terminal, and
nothing at all while it unpacks.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from pathlib import Path

EVERY_SECONDS = 5.0


class InstallProgress:
    """The progress of an installation, from pip's output and the environment's content.

    Args:
        n_wanted: Number of packages to install.
        site: The folder that they are installed into.
    """

    def __init__(self, n_wanted: int, site: Path) -> None:
        self.n_wanted = n_wanted
        self.site = site
        self.n_found = 0
        self.is_installing = False
        self._n_before = self._n_there()

    def read_line(self, line: str) -> None:
        """Process a line of pip's output."""
        self.n_found += line.startswith("Collecting ")
        self.is_installing |= line.startswith("Installing collected packages")

    def __str__(self) -> str:
        if not self.is_installing:
            return f"{min(self.n_found, self.n_wanted)} of {self.n_wanted} packages fetched"
        return f"{min(max(0, self._n_there() - self._n_before), self.n_wanted)} of {self.n_wanted} packages installed"

    def _n_there(self) -> int:
        return sum(1 for _ in self.site.glob("*.dist-info"))


def main(files: list[str]) -> int:
    """Install the files' packages and return pip's exit status."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    for file in files:
        pip += ["-r", file]
    progress = InstallProgress(len(pinned(files)), Path(sysconfig.get_path("purelib")))
    last: deque[str] = deque(maxlen=15)
    process = subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def read() -> None:
        for line in process.stdout or ():
            last.append(line.rstrip())
            progress.read_line(line)

    reader = threading.Thread(target=read)
    reader.start()
    show(progress, reader)
    status = process.wait()
    if status:
        sys.stderr.write("\n".join(last) + "\n")
    return status


def show(progress: InstallProgress, reader: threading.Thread, every: float = EVERY_SECONDS) -> None:
    """Print progress until the reader ends: on one line in a terminal, elsewhere a new line for each change."""
    is_terminal, began, shown = sys.stdout.isatty(), time.monotonic(), ""
    while reader.is_alive():
        reader.join(0.5 if is_terminal else every)
        text = str(progress)
        if is_terminal:
            sys.stdout.write(f"\r  {text}, {time.monotonic() - began:.0f} s ")
        elif text != shown:
            sys.stdout.write(f"  {text}, {time.monotonic() - began:.0f} s\n")
        shown = text
        sys.stdout.flush()
    if is_terminal:
        sys.stdout.write("\n")


def pinned(files: list[str]) -> set[str]:
    """Return the package names that requirement files pin for this machine."""
    from pip._vendor.packaging.markers import Marker

    names = set()
    for line in (line for file in files for line in Path(file).read_text().splitlines()):
        found = re.match(r"([A-Za-z0-9][\w.-]*)(?:\[.*\])?==[^\s;]+(?:\s*;\s*([^\\]+))?", line)
        if found and (not found[2] or Marker(found[2].strip()).evaluate()):
            names.add(found[1].lower())
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
