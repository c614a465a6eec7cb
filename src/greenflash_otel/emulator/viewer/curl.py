"""Write a request as a command for a shell. Pure. The key is never part of it."""

from __future__ import annotations

import shlex
from urllib.parse import quote

LONGEST_ARGUMENT = 100_000
"""Bytes of a body that a command line takes everywhere."""


def quote_path(path: str) -> str:
    """Percent-encode a path below the API; what follows its first segment is one id, slashes and all."""
    _, segment, *rest = path.split("/", 2)
    return "/".join(["", quote(segment), *(quote(id, safe="") for id in rest)])


def write_curl(method: str, url: str, body: bytes) -> str:
    """Write the command that sends the request again, byte for byte."""
    lines = [
        f"curl -X {method} {shlex.quote(url)}",
        '-H "Authorization: Bearer $GREENFLASH_API_KEY"',
        "-H 'Content-Type: application/json'",
    ]
    if body:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = ""
        if not text or "\x00" in text or len(body) > LONGEST_ARGUMENT:
            lines.append("--data-binary @body.json  # save the body above in this file")
        else:
            lines.append(f"--data-binary {shlex.quote(text)}")
    return " \\\n  ".join(lines)
