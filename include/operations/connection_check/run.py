"""Check connections, and say what works and what to fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from include.common.errors import ConfigError
from include.config import Settings, load
from include.config.channels import INTO_CRM, LABELS
from include.operations.connection_check import channels, contracts, fields, sources
from include.operations.connection_check.finding import Line

_ALWAYS = ("slack", "email")


def check(names: Iterable[str] = ()) -> Iterator[Line]:
    """Yield findings as they arrive, one connection after another.

    Args:
        names: Connection ids; by default all sources and channels of the settings, without robots that are not used.

    Raises:
        ConfigError: There is no such connection in the settings.
    """
    settings = load()
    writers = _writers(settings)
    checks: dict[str, Callable[[], Iterator[Line]]] = {
        source.id: partial(sources.check, source.id, writes=writers.get((source.id, source.id), ()))
        for source in settings.sources
    }
    checks |= {
        writer: partial(sources.check_writer, writer, name, channels)
        for (writer, name), channels in writers.items()
        if writer != name
    }
    checks |= {getattr(settings.channels, name).connection: partial(channels.check, name, settings) for name in LABELS}
    unused = {
        getattr(settings.channels, name).connection
        for name in LABELS
        if name not in (*_ALWAYS, *settings.channels.messages_by) and getattr(settings.channels, name).dry_run
    }
    wanted = list(dict.fromkeys(names)) or [name for name in checks if name not in unused]
    for name in wanted:
        if name not in checks:
            raise ConfigError(f"unknown connection {name} in the settings", cure=f"choose from {', '.join(checks)}")
    for name in wanted:
        is_accepted = False
        for line in checks[name]():
            is_accepted |= (line.what, line.state) == ("credentials", "ok")
            yield line
        yield from fields.check(name, settings)
        if is_accepted:
            yield from contracts.check(name, settings)


def _writers(settings: Settings) -> dict[tuple[str, str], set[str]]:
    """Return (connection, CRM source) -> the enabled channels that write over the connection."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name in INTO_CRM:
        options = getattr(settings.channels, name)
        for source in settings.crms if not options.dry_run else ():
            found[options.connections.get(source.id, source.id), source.id].add(name)
    return found


def exit_status(lines: Iterable[Line]) -> int:
    """Return 0 if nothing failed, else the exit status of the first failure."""
    return next((line.exit_status or 1 for line in lines if line.state == "failed"), 0)
