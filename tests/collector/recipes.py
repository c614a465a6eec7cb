"""The configurations of the documentation, by the names in their first lines."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("collector.md", "containers.md", "scale.md")]
BLOCK = re.compile(r"```yaml\n# ([\w-]+\.yaml)[^\n]*\n(.*?)```", re.DOTALL)


def recipes() -> dict[str, str]:
    """Each of them: ``# compose.yaml …`` begins that of ``compose.yaml``."""
    return dict(BLOCK.findall("".join(page.read_text(encoding="utf-8") for page in PAGES)))
