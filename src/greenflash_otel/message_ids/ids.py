"""Ids that two processes give alike, and the canonical content they are made from. Pure.

Canonical content leaves out what frameworks change between an answer and its resend: reasoning, null
against empty, one string against several text parts, white space at the end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from greenflash_otel.model.operation import Json, Media, Other, Part, Text

WORD = re.compile(r"\w+")


def key_of(secret: str | None) -> bytes:
    """The key that a secret of any length makes; none without a secret."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass")).digest() if secret else b""


def namespace_of(conversation_id: str, key: bytes) -> str:
    """What the ids of a conversation's messages are hashed with: its id, or with a key what nobody can guess.

    Args:
        key: At most 64 bytes.
    """
    if not key:
        return conversation_id
    digest = hashlib.blake2b(conversation_id.encode("utf-8", "surrogatepass"), key=key, digest_size=16)
    return digest.hexdigest()


def id_of(namespace: str, before: str | None, role: str, canonical: Json) -> str:
    """External id of the message that follows ``before`` in the conversation of a namespace."""
    fields = json.dumps([namespace, before, role, canonical], sort_keys=True, default=str)
    return "gf_" + hashlib.blake2b(fields.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def sketch_of(text: str) -> int:
    """The words of a text, each as one of 256 bits."""
    sketch = 0
    for word in WORD.findall(text.lower()):
        sketch |= 1 << hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0]
    return sketch


def likeness(one: int, other: int) -> float:
    """The share of words that two texts have in common, by their sketches; 1 for two without any."""
    union = (one | other).bit_count()
    return (one & other).bit_count() / union if union else 1.0


def text_of(parts: Sequence[Part]) -> str:
    """The text in ``parts``, a line break between two."""
    return "\n".join(part.content for part in parts if isinstance(part, Text))


def canonical_of(parts: Sequence[Part]) -> Json:
    """What of a visible message counts for its identity."""
    text = "\n".join(part.content.rstrip() for part in parts if isinstance(part, Text)).rstrip()
    rest: list[Json] = []
    for part in parts:
        if isinstance(part, Media):
            rest.append(part.digest or part.file_id or part.uri or part.modality)
        elif isinstance(part, Other):
            rest.append([part.type, part.fields])
    return [text, rest] if rest else text
