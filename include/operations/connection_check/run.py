"""Looks at connections: what works, and what exactly to fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from include.common.errors import ConfigError
from include.config import Settings, load
from include.config.channels import INTO_CRM
from include.operations.connection_check import channels, contracts, fields, sources
from include.operations.connection_check.finding import Line

_CHANNELS = ("slack", "email")


def check(names: Iterable[str] = ()) -> Iterator[Line]:
    """Yield lines as they are found, connection after connection.

    Args:
        names: Connection ids; all sources and channels of the settings by default.

    Raises:
        ConfigError: There is no such connection in the settings.
    """
    settings = load()
    writers = _writers(settings)
    looks: dict[str, Callable[[], Iterator[Line]]] = {
        source.id: partial(sources.look, source.id, writes=writers.get((source.id, source.id), ()))
        for source in settings.sources
    }
    looks |= {
        writer: partial(sources.look_at_writer, writer, name, channels)
        for (writer, name), channels in writers.items()
        if writer != name
    }
    looks |= {getattr(settings.channels, name).connection: partial(channels.look, name, settings) for name in _CHANNELS}
    wanted = list(dict.fromkeys(names)) or list(looks)
    for name in wanted:
        if name not in looks:
            raise ConfigError(
                f"unknown connection {name} in the settings", cure=f"the settings name {', '.join(looks)}"
            )
    for name in wanted:
        is_accepted = False
        for line in looks[name]():
            is_accepted |= (line.what, line.state) == ("credentials", "ok")
            yield line
        yield from fields.look(name, settings)
        if is_accepted:
            yield from contracts.look(name, settings)


def _writers(settings: Settings) -> dict[tuple[str, str], set[str]]:
    """Return connection and CRM source -> the channels that are on and write over it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name in INTO_CRM:
        options = getattr(settings.channels, name)
        for source in settings.of_kind("crm") if not options.dry_run else ():
            found[options.connections.get(source.id, source.id), source.id].add(name)
    return found


def exit_status(lines: Iterable[Line]) -> int:
    """Return 0 if nothing failed, else that of the first failure."""
    return next((line.exit_status or 1 for line in lines if line.state == "failed"), 0)
