"""Find the file in force: the overlay's if it has one of that name, else the shipped one.

Results made from such files are cached until a file changes: ``cached`` caches the result of one file,
``cached_for`` that of many.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import lru_cache, wraps
from pathlib import Path
from typing import Literal, TypeVar

from include.common import paths
from include.common.errors import ConfigError

Area = Literal["config", "sql", "playbooks", "reports", "locales"]
Result = TypeVar("Result")
# Path below the area, file, modification time and size. The last two tell whether the file has changed.
Fingerprints = tuple[tuple[str, Path, int, int], ...]
# The last result of each listing. While nothing changed, the same tuple is returned, and comparing it costs nothing.
_last: dict[tuple[str, ...], Fingerprints] = {}
_checked: ContextVar[dict[tuple[str, ...], Fingerprints] | None] = ContextVar("checked", default=None)
OVERLAY_VARIABLE = "PERENNIAL_CONFIG_DIR"
SHIPPED: dict[Area, Path] = {
    "config": paths.ROOT / "include" / "defaults" / "config",
    "sql": paths.SQL,
    "playbooks": paths.ROOT / "include" / "defaults" / "playbooks",
    "reports": paths.ROOT / "include" / "defaults" / "reports",
    "locales": paths.LOCALES,
}


def overlay() -> Path | None:
    """Return the overlay folder, or None when ``PERENNIAL_CONFIG_DIR`` is unset.

    Raises:
        ConfigError: The variable does not name a folder.
    """
    named = os.environ.get(OVERLAY_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(
            f"{OVERLAY_VARIABLE} names {folder}, which is not a folder",
            cure="create it with sub-folders config/, sql/, playbooks/, reports/ or locales/,"
            f" or unset {OVERLAY_VARIABLE}",
        )
    return folder


def find(area: Area, name: str) -> Path | None:
    """Return the file in force.

    Args:
        area: One of the mirrored trees.
        name: The file's path below the area, such as ``mappings/hubspot.yaml``.

    Returns:
        The overlay's file if it has one of that name, else the shipped one, else None.
    """
    above = overlay()
    for root in ([above / area] if above else []) + [SHIPPED[area]]:
        if (root / name).is_file():
            return root / name
    return None


def shipped(area: Area, name: str) -> Path:
    """Return the path of a file in the shipped tree, whether or not it is in force."""
    return SHIPPED[area] / name


def listing(area: Area, pattern: str) -> dict[str, Path]:
    """Return the files in force whose path below the area matches.

    Args:
        area: One of the mirrored trees.
        pattern: A glob such as ``*.yaml`` or ``marts/*/query.sql``.

    Returns:
        Path below the area -> file in force, sorted by path.
    """
    return {name: path for name, (path, *_) in _in_force(area, pattern).items()}


def _in_force(area: Area, pattern: str) -> dict[str, tuple[Path, int, int]]:
    above = overlay()
    found: dict[str, tuple[Path, int, int]] = {}
    for root in [SHIPPED[area]] + ([above / area] if above else []):
        folder = str(root)
        for name, seen in _matching(folder, pattern.split("/")):
            found[name] = (_path(folder, name), seen.st_mtime_ns, seen.st_size)
    return dict(sorted(found.items()))


def _matching(folder: str, pattern: list[str], below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield the name and state of each file that matches, without hidden ones.

    This runs at every use, to notice changes in hundreds of files. A glob and a stat of each take three times as long.
    """
    first, *rest = pattern
    if first == "**":
        yield from _matching(folder, rest, below)
    try:
        with os.scandir(folder) as entries:
            present = [entry for entry in entries if entry.name[0] != "." and fnmatchcase(entry.name, first)]
    except OSError:
        return
    for entry in present:
        try:
            if rest and entry.is_dir():
                yield from _matching(entry.path, pattern if first == "**" else rest, f"{below}{entry.name}/")
            elif not rest and stat.S_ISREG((seen := entry.stat()).st_mode):
                yield f"{below}{entry.name}", seen
        except OSError:  # a link that leads nowhere
            continue


@lru_cache(maxsize=4096)
def _path(folder: str, name: str) -> Path:
    return Path(folder, name)


def shown(path: Path) -> str:
    """Return a file's name for messages: relative to the project or the working directory if inside, else in full."""
    for root in (paths.ROOT, Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)


def cached(read: Callable[[Path], Result]) -> Callable[[Path], Result]:
    """Cache a reader of one file until the file changes. Errors are not cached."""

    @lru_cache(maxsize=2048)
    def once(path: Path, changed_ns: int, size: int) -> Result:
        return read(path)

    @wraps(read)
    def now(path: Path) -> Result:
        try:
            return once(path, *stamp(path))
        except OSError:
            return read(path)  # and gets the real error

    now.cache_clear = once.cache_clear  # type: ignore[attr-defined]
    return now


def cached_for(area: Area, *patterns: str) -> Callable[[Callable[[dict[str, Path]], Result]], Callable[[], Result]]:
    """Cache a function of the files in force (path below the area -> file) until one of them changes."""

    def decorate(make: Callable[[dict[str, Path]], Result]) -> Callable[[], Result]:
        @lru_cache(maxsize=4)
        def once(found: Fingerprints) -> Result:
            return make({name: path for name, path, *_ in found})

        # While no file changed, `fingerprints` returns the same tuple. Hashing hundreds of paths takes longer than an
        # `is` check.
        last: tuple[Fingerprints, Result] | None = None

        @wraps(make)
        def now() -> Result:
            nonlocal last
            found, before = fingerprints(area, *patterns), last
            if before is None or before[0] is not found:
                last = before = (found, once(found))
            return before[1]

        def cache_clear() -> None:
            nonlocal last
            last = None
            once.cache_clear()

        now.cache_clear = cache_clear  # type: ignore[attr-defined]
        return now

    return decorate


@contextmanager
def checked_once() -> Iterator[None]:
    """Check the files for changes only once within this context. Checking hundreds of files takes a while."""
    outer = _checked.get()
    token = _checked.set({} if outer is None else outer)
    try:
        yield
    finally:
        _checked.reset(token)


def fingerprints(area: Area, *patterns: str) -> Fingerprints:
    """Return the files in force that match, with their modification times and sizes."""
    wanted = (area, *patterns)
    seen = _checked.get()
    if seen is not None and wanted in seen:
        return seen[wanted]
    found = {name: state for pattern in patterns for name, state in _in_force(area, pattern).items()}
    now = tuple((name, *state) for name, state in found.items())
    if (before := _last.get(wanted)) == now:
        now = before
    _last[wanted] = now
    if seen is not None:
        seen[wanted] = now
    return now


def edition(area: Area, *patterns: str) -> Hashable:
    """Return a key that changes when one of the matching files changes. It is cheaper to hash than `fingerprints`."""
    return _edition(fingerprints(area, *patterns))


@lru_cache(maxsize=64)
def _edition(found: Fingerprints) -> Hashable:
    return object()


def stamp(path: Path) -> tuple[int, int]:
    """Return a file's modification time and size."""
    seen = path.stat()
    return seen.st_mtime_ns, seen.st_size
