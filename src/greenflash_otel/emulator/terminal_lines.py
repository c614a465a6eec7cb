"""One line for each request, for the terminal that the emulator runs in. Pure."""

from __future__ import annotations

from greenflash_otel.visible_text import escape_controls

LONGEST = 400
"""Characters of a line: a refusal may quote what was sent."""


def write_line(status: int, method: str, path: str, about: str) -> str:
    """Write what came and how it was answered, as ``201 messages chat-42 +2 (1 known)``."""
    what = path.removeprefix("/") or "/"
    line = f"{status} {what if method == 'POST' else f'{method} {what}'} {about}".rstrip()
    return escape_controls(line if len(line) <= LONGEST else line[: LONGEST - 1] + "…")
