"""Decode the bytes of an answer while they pass: server-sent events or one JSON document.

A chunk costs an append; events are decoded in batches, on whose size the delay at a batch's end and the
memory for what is not decoded yet depend. Lines end and events are distinguished as the SDK does it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from greenflash_otel.internal_errors import count, guarded
from greenflash_otel.json_values import JsonObject, read_json_object

BATCH_BYTES = 64 * 1024
"""Events are decoded when so much has come in: some 200 chunks of text."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""A JSON document that arrives as a stream and is larger than this is not captured."""

DONE = b"[DONE]"
NEVER = sys.maxsize

BLANK = b"\xef\xbb\xbf \r\n\t"
"""What may precede the first byte that counts: a byte order mark, white space."""

Decode = Callable[[bytes], "bytes | Iterable[bytes]"]
"""Undoes a content encoding, chunk by chunk."""


class Assembly(Protocol):
    """Puts the events of a stream together into the body of a whole answer."""

    @property
    def complete(self) -> bool:
        """Whether the events say that nothing more will come."""
        ...

    def add(self, event: JsonObject) -> None:
        """Take in the next event."""

    def to_json(self) -> JsonObject:
        """Return the body so far."""
        ...


class ResponseBody(Protocol):
    """Takes in an answer's bytes while they pass. Not thread-safe: a body is read by one reader at a time."""

    @property
    def begun(self) -> bool:
        """Whether something has come that could be read."""
        ...

    @property
    def malformed(self) -> bool:
        """Whether an event has come that is no JSON; the SDK raises on it."""
        ...

    @property
    def marks_its_end(self) -> bool:
        """Whether what comes says when it is whole; else it is when its stream has been read to the end."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come, as far as it says itself."""
        ...

    def receive_bytes(self, chunk: bytes) -> None:
        """Take in the next bytes as they came over the wire."""

    def finish(self) -> None:
        """End the body: no more bytes will come."""

    def to_json(self) -> JsonObject:
        """Return the answer so far, as JSON."""
        ...


class JsonBody:
    """A `Body` that is JSON, whole or in events."""

    marks_its_end = True

    def __init__(self, assembly: Assembly, decode: Decode | None = None, *, at_once: bool = False) -> None:
        """Take in an answer.

        Args:
            at_once: Whether each event is decoded as soon as it has come, as it counts when that is.
        """
        self._assembly = assembly
        self._decode = decode
        self._at_once = at_once
        self._chunks: list[bytes] = []
        self._size = 0
        self._due = BATCH_BYTES
        self._rest = b""
        """What a batch left over: the beginning of a line, or a document so far."""
        self._is_document: bool | None = None
        self._data: list[bytes] = []
        """``data`` lines of the event that is not complete yet."""
        self._document: JsonObject | None = None
        self._done = False
        self.begun = False
        self.malformed = False

    def receive_bytes(self, chunk: bytes) -> None:
        """Take in the next bytes as they came over the wire."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= self._due or (self._at_once and (self._decode or b"\n" in chunk)):
            with guarded("decode an answer"):
                self._digest(final=False)

    def finish(self) -> None:
        """End the body: no more bytes will come."""
        with guarded("decode an answer"):
            self._digest(final=True)

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come, as far as it says itself."""
        return self._done or self._document is not None or self._assembly.complete

    def to_json(self) -> JsonObject:
        """Return the body so far, as JSON."""
        return self._assembly.to_json() if self._document is None else self._document

    def _digest(self, *, final: bool) -> None:
        content = self._rest + self._take_chunks()
        if self._is_document is None and (start := content.lstrip(BLANK)[:1]):
            self._is_document = self.begun = start in b"{["
        if not self._is_document:
            self._digest_events(content, final=final)
        elif final:
            with contextlib.suppress(ValueError):  # cut off, which its ending shows
                self._document = read_json_object(json.loads(content))
        elif len(content) > MAX_DOCUMENT_BYTES:
            count("capture an answer as large as this", OverflowError())
            self._rest, self._due = b"", NEVER
        else:
            self._keep(content)

    def _digest_events(self, content: bytes, *, final: bool) -> None:
        end = len(content) if final else content.rfind(b"\n") + 1
        self._keep(content[end:])
        for event in self._decode_payloads(self._read_payloads(content[:end].splitlines())):
            self.begun = True
            self._assembly.add(read_json_object(event))
        if final:  # an event without the blank line after it, perhaps not whole
            with contextlib.suppress(ValueError):
                for payload in self._read_payloads([b""]):
                    self._assembly.add(read_json_object(json.loads(payload)))

    def _take_chunks(self) -> bytes:
        content = b"".join(self._chunks)
        self._chunks, self._size = [], 0
        if self._decode is None:
            return content
        decoded = self._decode(content)
        return decoded if isinstance(decoded, bytes) else b"".join(decoded)

    def _keep(self, rest: bytes) -> None:
        """Keep what is not complete yet, until so much more has come that joining it costs little."""
        self._rest, self._due = rest, BATCH_BYTES + len(rest)

    def _read_payloads(self, lines: Iterable[bytes]) -> list[bytes]:
        """Yield the data of the events that ``lines`` complete, up to the one that says that it was the last."""
        payloads: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                payload, self._data = b"\n".join(self._data), []
                self._done = self._done or payload.startswith(DONE)
                if not self._done:
                    payloads.append(payload)
        return payloads

    def _decode_payloads(self, payloads: list[bytes]) -> list[Any]:
        """Decode the payloads' JSON: all at once, which is far cheaper, or separately if one is broken."""
        try:
            return list(json.loads(b"[" + b",".join(payloads) + b"]"))
        except ValueError:
            return [event for payload in payloads for event in self._decode_payload(payload)]

    def _decode_payload(self, payload: bytes) -> list[Any]:
        try:
            return [json.loads(payload)]
        except ValueError:
            self.malformed = True
            return []
