"""The Collector configurations of the documentation, by the comment in their first line."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "collector.md"


def recipes() -> dict[str, str]:
    """Each configuration by its name: ``# agent.yaml …`` is that of ``agent.yaml``."""
    blocks = re.findall(
        r"```yaml\n# (\S+\.yaml)[^\n]*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return dict(blocks)
