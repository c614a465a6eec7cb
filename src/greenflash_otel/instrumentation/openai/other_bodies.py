"""Read answers that need not be JSON: digest and size of sounds, and transcripts as plain text."""

from __future__ import annotations

import hashlib

from greenflash_otel.instrumentation.openai.body import Decode, JsonBody
from greenflash_otel.json_values import JsonObject

MAX_TEXT_BYTES = 4 * 1024 * 1024
"""Plain text is captured up to here."""


class BytesBody:
    """A `Body` of which only digest and size are retained."""

    complete = malformed = marks_its_end = False

    def __init__(self, _choice_count: int, _decode: Decode | None) -> None:
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self.begun = False

    def receive_bytes(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self.begun = True
        self._digest.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> None:
        """End the body: no more bytes will come."""

    def to_json(self) -> JsonObject:
        """Return the digest and size of the bytes that came."""
        return {"digest": f"sha256:{self._digest.hexdigest()}", "size_bytes": self._size_bytes}


class TextBody:
    """A `ResponseBody` that is JSON, as `JsonBody` has it, or else plain text."""

    def __init__(self, json_body: JsonBody, decode: Decode | None) -> None:
        self._json = json_body
        self._decode = decode
        self._text = bytearray()

    @property
    def begun(self) -> bool:
        return self._json.begun or bool(self._text)

    @property
    def malformed(self) -> bool:
        return self._json.malformed

    @property
    def complete(self) -> bool:
        return self._json.complete

    @property
    def marks_its_end(self) -> bool:
        return self._json.begun

    def receive_bytes(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        decoded = chunk if self._decode is None else self._decode(chunk)
        content = decoded if isinstance(decoded, bytes) else b"".join(decoded)
        self._json.receive_bytes(content)
        if len(self._text) < MAX_TEXT_BYTES:
            self._text += content

    def finish(self) -> None:
        """End the body: no more bytes will come."""
        self._json.finish()

    def to_json(self) -> JsonObject:
        """Return the answer so far; plain text is under ``text``."""
        return self._json.to_json() if self._json.begun else {"text": self._text.decode("utf-8", "replace")}
