"""What ``str()`` and ``repr()`` of Python leave where JSON belongs. Pure, and linear in the length of the text.

A list or a dict of plain values says what it contains. The repr of an object is a note of its class for a developer:
no person and no model said it.
"""

from __future__ import annotations

import json
import re

from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import Json

TOKEN = re.compile(
    r"""\s+|[\[\]{},:()]|-?\d[\w.+-]*|True\b|False\b|None\b|[bu]?'(?:[^'\\]|\\.)*'|[bu]?"(?:[^"\\]|\\.)*\"""",
    re.DOTALL,
)
NAMES = {"True": "true", "False": "false", "None": "null", "(": "[", ")": "]"}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
CLOSING = ("]", ")", "}")
LAST_CODE_POINT = 0x10FFFF

REPR = re.compile(
    r"\s*[\[(]?\s*(?:"
    r"<[\w.]+ (?:object )?at 0x[0-9a-fA-F]+>|<[A-Z]\w*\("
    r"|[\w.]*(?:Message|Prompt|Content|Response|Result|Completion|Chunk|Block|Output|Input|Param|Part)s?\(_?\w+="
    r")"
)
"""How the repr of an object begins that frameworks have in place of a message."""


def is_repr(text: str) -> bool:
    """Return whether a text is the repr of an object, or of a list of them."""
    return REPR.match(text) is not None and text.rstrip()[-1] in ")]>"


def read_literal(text: str) -> Json:
    """Decode the ``str()`` of a list or a dict; give any other text back as it is."""
    if text[:1] not in ("{", "[", "(") or is_repr(text):
        return text
    written: list[str] = []
    position = 0
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            return text
        position = token.end()
        _add_token(written, token[0])
    decoded = read_json("".join(written))
    return text if isinstance(decoded, str) else decoded


def _add_token(written: list[str], symbol: str) -> None:
    """Add a token as JSON has it, which has no comma before a bracket that closes."""
    if symbol.isspace():
        return
    if symbol in CLOSING and written and written[-1] == ",":
        written.pop()
    text = symbol.lstrip("bu")
    is_text = text[:1] in ("'", '"')
    written.append(json.dumps(ESCAPE.sub(_unescape, text[1:-1])) if is_text else NAMES.get(symbol, symbol))


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        number = int(code, 16)
        return chr(number) if number <= LAST_CODE_POINT else escape[0]
    return PLAIN_ESCAPES.get(escape[4], escape[4])
