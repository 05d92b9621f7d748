"""Convert results to JSON for XComs and asset events."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any


def as_json(result: Any) -> Any:
    """Return a result (a dataclass, or plain values) as plain JSON values. Times become ISO text."""
    import orjson

    return orjson.loads(orjson.dumps(asdict(result) if is_dataclass(result) else result, default=str))  # type: ignore[arg-type]
