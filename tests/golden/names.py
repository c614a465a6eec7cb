"""Names that others rely on: what `import greenflash_otel` offers, and the attributes of our spans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import greenflash_otel
from tests.golden.store import HERE

FILE = HERE / "names.json"


def text(attributes: Mapping[str, str]) -> str:
    """The file."""
    found = {"public": sorted(greenflash_otel.__all__), "attributes": dict(sorted(attributes.items()))}
    return json.dumps(found, indent=1) + "\n"


def read() -> Any:
    """What the file holds."""
    return json.loads(FILE.read_text(encoding="utf-8"))
