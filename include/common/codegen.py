"""Makes functions of lines of Python, as ``dataclasses`` makes ``__init__``.

For what is done to every row of every pull alone: a loop over columns there costs more than what is done for each.
Names of columns and fields go into the lines by ``repr`` only.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def function(name: str, parameters: str, lines: Iterable[str], known: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function.

    Args:
        name: What it is called, also where an error shows its lines.
        parameters: As they stand between the brackets.
        lines: Of its body, indented by nothing.
        known: What the lines use besides.
    """
    source = "\n    ".join([f"def {name}({parameters}):", *lines])
    place = f"<{name} made by {__name__}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    namespace = dict(known)
    exec(compile(source, place, "exec"), namespace)  # noqa: S102 - lines of our own
    made: Callable[..., Any] = namespace[name]
    return made
