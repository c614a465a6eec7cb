"""Walk JSON on the wire: split a request into its records, and cut what is nested too deep. Pure.

``json.loads`` builds every object of a request in one step and takes Python's lock throughout. So the gateway
finds the records first, counts what is in them, and reads one at a time. A record is an object at a certain
place below the root: ``{"resourceSpans": [{"scopeSpans": [{"spans": [`` and then it begins.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError

MAX_DEPTH = 250
"""Of nested JSON; a value of OTLP takes three levels. What is deeper becomes ``null``."""
RECORD_PATH = b"{[{[{["
"""The containers around a record, from the root on."""
MAX_OUTER_TOKENS = 400_000
"""In what is left of a request without its records: resources and scopes."""
TOKENS_PER_VALUE = 5
"""Brackets and strings that JSON needs for what is one value in `ContentLimits`."""
TOKEN = re.compile(rb'[^"{\[}\]]{0,65536}')
"""All before the next string or bracket, of bounded length: Python's lock is taken meanwhile."""
QUOTE, OPENING, CLOSING = 0x22, b"{[", b"}]"
FEW_BYTES = 16
"""Between two tokens; in more there may be many numbers, which are counted by their commas."""
CHUNK_BYTES = 1 << 20
MAX_DIGITS = 20
"""Of a number. Python refuses to read very long ones, which would cost the whole record."""


@dataclass(slots=True)
class JsonPart:
    """A part of a request: where it is, what was counted, and what has to be cut from it."""

    start: int = 0
    end: int = 0
    tokens: int = 0
    cuts: list[tuple[int, int]] = field(default_factory=list)


class Scan:
    """Walks over a request and finds its records.

    Raises:
        ValueError: Brackets do not match.
        TooLargeError: The request contains more than allowed.
    """

    def __init__(self, body: Content, limits: ContentLimits) -> None:
        self.records: list[JsonPart] = []
        self.outer = JsonPart(0, len(body))
        """All that is in no record."""
        self._body = body
        self._limits = limits
        self._tokens = 0
        self._depth = 0
        self._path = bytearray()
        self._record: JsonPart | None = None
        self._deep_start = 0
        self._walk(_blank_escapes(body))
        if self._depth:
            raise ValueError("it ends before its end")

    def _walk(self, masked: Content) -> None:
        """Go from bracket to bracket, past strings."""
        skip, position, size = TOKEN.match, 0, len(masked)
        while position < size:
            gap = skip(masked, position)
            start, position = position, gap.end() if gap else position
            commas = masked.count(b",", start, position) if position - start > FEW_BYTES else 0
            token = masked[position] if position < size else 0
            if token == QUOTE:
                position = masked.find(b'"', position + 1)
                if position < 0:
                    raise ValueError("a string does not end")
            elif token in OPENING:
                self._open(token, position)
            elif token in CLOSING:
                self._close(token, position)
            else:  # a long gap goes on
                position -= 1
            self._count(1 + commas)
            position += 1

    def _count(self, tokens: int) -> None:
        (self._record or self.outer).tokens += tokens
        self._tokens += tokens
        if self._tokens > self._limits.max_values * TOKENS_PER_VALUE or self.outer.tokens > MAX_OUTER_TOKENS:
            raise TooLargeError("larger than allowed: it has too many values")

    def _open(self, token: int, position: int) -> None:
        if token == 0x7B and self._path == RECORD_PATH and self._depth == len(RECORD_PATH):
            self._record = JsonPart(position)
            self.records.append(self._record)
            if len(self.records) > self._limits.max_records:
                raise TooLargeError("larger than allowed: it has too many records")
        self._depth += 1
        if self._depth <= MAX_DEPTH:
            self._path.append(token)
        elif self._depth == MAX_DEPTH + 1:
            self._deep_start = position

    def _close(self, token: int, position: int) -> None:
        if self._depth > MAX_DEPTH:
            if self._depth == MAX_DEPTH + 1:
                (self._record or self.outer).cuts.append((self._deep_start, position + 1))
        elif not self._path or self._path.pop() != token - 2:  # in ASCII they are two apart
            raise ValueError("brackets do not match")
        self._depth -= 1
        if self._record is not None and self._depth == len(RECORD_PATH):
            self._record.end = position + 1
            self._record = None


def _blank_escapes(body: Content) -> Content:
    """Return JSON of the same length in which every quotation mark begins or ends a string."""
    if b"\\" not in body:
        return body
    parts, position = [], 0
    while position < len(body):
        end = position + CHUNK_BYTES
        chunk = body[position:end]
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:  # it would cut an escape in two
            chunk = body[position : end + 1]
        parts.append(chunk.replace(b"\\\\", b"__").replace(b'\\"', b"__"))
        position += len(chunk)
    return b"".join(parts)


class JsonReader:
    """Reads a request part by part.

    Raises:
        ValueError: The content is no JSON.
        TooLargeError: The request contains more than allowed.
    """

    def __init__(self, content: Content, limits: ContentLimits) -> None:
        self._content = content[3:] if content.startswith(b"\xef\xbb\xbf") else content
        self._limits = limits
        self._scan = Scan(self._content, limits)
        self.repaired = 0
        """Parts in which a text had to be repaired, or something was nested too deep."""

    def read_outer(self) -> Any:
        """Return the request with a number in place of each record, which `read_record` takes."""
        holes = [(part.start, part.end, str(number)) for number, part in enumerate(self._scan.records)]
        outer_bytes = len(self._content) - sum(end - start for start, end, _ in holes)
        if outer_bytes > self._limits.max_json_outer_bytes:
            raise TooLargeError("larger than allowed: it has too much outside of its records")
        cuts = [(start, end, "null") for start, end in self._scan.outer.cuts]
        return self._load(self._scan.outer, sorted([*holes, *cuts]))

    def read_record(self, number: object) -> Any:
        """Return a record. Raises ValueError if it cannot be read."""
        if not isinstance(number, int) or not 0 <= number < len(self._scan.records):
            raise ValueError("not a record")
        part = self._scan.records[number]
        if part.tokens > self._limits.max_record_values * TOKENS_PER_VALUE:
            raise TooLargeError("a record has too many values")
        if part.end - part.start > self._limits.max_record_bytes:
            raise TooLargeError("a record has too many bytes")
        return self._load(part, [(start, end, "null") for start, end in part.cuts])

    def _load(self, part: JsonPart, replaced: list[tuple[int, int, str]]) -> Any:
        pieces, position, is_whole = [], part.start, not part.cuts
        for start, end, text in replaced:
            pieces += [self._content[position:start], text.encode()]
            position = end
        content = b"".join([*pieces, self._content[position : part.end]])
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text, is_whole = content.decode("utf-8", "replace"), False
        value = load_json(text)
        if "\\ud" in text or "\\uD" in text:
            value, has_changed = _repair_surrogates(value)
            is_whole = is_whole and not has_changed
        self.repaired += not is_whole
        return value


def _repair_surrogates(value: Any) -> tuple[Any, bool]:
    """Return a value without halves of characters, which JSON can escape and UTF-8 cannot write."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), True
        return value, False
    if isinstance(value, list):
        items = [_repair_surrogates(item) for item in value]
        return [item for item, _ in items], any(changed for _, changed in items)
    if isinstance(value, dict):
        pairs = [(_repair_surrogates(name), _repair_surrogates(item)) for name, item in value.items()]
        repaired = {name: item for (name, _), (item, _) in pairs}
        return repaired, any(is_changed or other for (_, is_changed), (_, other) in pairs)
    return value, False


def load_json(text: str) -> Any:
    """Return a JSON value; very long numbers, and those that are none, as texts. Raises ValueError."""
    try:
        return json.loads(text, parse_int=_read_int, parse_constant=str)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _read_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits
