"""One line for each request, for the terminal that the emulator runs in. Pure."""

from __future__ import annotations

from greenflash_otel.visible_text import escape_controls

LONGEST = 400
"""Characters of a line: a refusal may quote what was sent."""


def write_line(status: int, method: str, path: str, about: str) -> str:
    """Write what came and how it was answered, as ``201 messages chat-42 +2 (1 known)``."""
    what = path.removeprefix("/") or "/"
    line = f"{status} {what if method == 'POST' else f'{method} {what}'} {about}".rstrip()
    return escape_controls(cut(line, LONGEST))


def cut(line: str, longest: int) -> str:
    """Return a line, with an ellipsis instead of what is beyond so many characters."""
    return line if len(line) <= longest else line[: longest - 1] + "…"
