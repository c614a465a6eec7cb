"""Compute ids that two processes give alike, and the canonical content they are made from. Pure.

Canonical content leaves out what frameworks change between an answer and its resend: reasoning, null
against empty, one string against several text parts, white space at the end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from greenflash_otel.model.operation import Json, Media, Other, Part, Text

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A word; Chinese and Japanese have no spaces between words, so each of their characters counts as one."""
ADDRESS_QUERY = re.compile(r"(https?://[^\s?#]*)[?#][^\s\"'<>)\]}]*")
"""What an application renews of an address: a signature, a time."""
LONG_WORD = 32
"""Characters above which the bit of a word is not remembered: such words seldom come again."""

quote: Callable[[str], str] = encode_basestring_ascii
"""Writes a string as JSON, in C."""
_encode = json.JSONEncoder(sort_keys=True, default=str).encode

MESSAGE_ID_PREFIX = "gf_"
"""How the external ids of messages begin that this library makes."""
LEAST_QUOTED = 12
"""Characters of a text that is found in another; a shorter one is in too many."""
ALIKE = 0.6
"""Share of words that two texts have in common of which one is the other, reworded."""


def key_of(secret: str | None) -> bytes:
    """Return the key that a secret of any length makes; an empty one without a secret."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass")).digest() if secret else b""


def namespace_of(conversation_id: str, key: bytes) -> str:
    """Return what the ids of a conversation's messages are hashed with.

    Without a key it is the conversation's id; with one, what nobody can guess.

    Args:
        key: At most 64 bytes.
    """
    if not key:
        return conversation_id
    digest = hashlib.blake2b(conversation_id.encode("utf-8", "surrogatepass"), key=key, digest_size=16)
    return digest.hexdigest()


def id_of(namespace: str, previous_id: str | None, kind: str, canonical: Json) -> str:
    """Return the external id of the message that follows ``previous_id`` in a conversation."""
    return id_of_written(namespace, previous_id, kind, write_canonical(canonical))


def id_of_written(namespace: str, previous_id: str | None, kind: str, written: str) -> str:
    """Return the same for content that `write_canonical` wrote: it is written once, and hashed often."""
    previous = "null" if previous_id is None else quote(previous_id)
    fields = f"[{quote(namespace)}, {previous}, {quote(kind)}, {written}]"
    return MESSAGE_ID_PREFIX + hashlib.blake2b(fields.encode(), digest_size=16).hexdigest()


def write_canonical(canonical: Json) -> str:
    """Write canonical content as JSON that is the same in every process."""
    return quote(canonical) if isinstance(canonical, str) else _encode(canonical)


def sketch_words(text: str) -> int:
    """Return the words of a text, each as one of 256 bits."""
    sketch = 0
    for word in WORD.findall(text.lower()):
        sketch |= _bit_of(word) if len(word) <= LONG_WORD else _hash_word(word)
    return sketch


def compute_jaccard_similarity(sketch: int, other: int) -> float:
    """Return the share of words that two texts have in common, by their sketches; 1 for two without any."""
    union = (sketch | other).bit_count()
    return (sketch & other).bit_count() / union if union else 1.0


def compute_containment(sketch: int, other: int) -> float:
    """Return the share of the shorter text's words that the other has too, by their sketches."""
    shorter = min(sketch.bit_count(), other.bit_count())
    return (sketch & other).bit_count() / shorter if shorter else 0.0


def loosen_text(text: str) -> str:
    """Return a text without what applications change in it: queries of addresses, and white space."""
    if "://" in text:
        text = ADDRESS_QUERY.sub(r"\1", text)
    return smooth(text)


def smooth(text: str) -> str:
    """Return a text with one space for each white space."""
    return " ".join(text.split())


def text_of(parts: Sequence[Part]) -> str:
    """Return the text in ``parts``, a line break between two."""
    if len(parts) == 1:
        return parts[0].content if isinstance(parts[0], Text) else ""
    return "\n".join([part.content for part in parts if isinstance(part, Text)])


def canonical_of(parts: Sequence[Part]) -> Json:
    """Return what of a visible message counts for its identity."""
    text = "\n".join(part.content.rstrip() for part in parts if isinstance(part, Text)).rstrip()
    rest: list[Json] = []
    for part in parts:
        if isinstance(part, Media):
            rest.append(part.digest or part.file_id or part.uri or part.modality)
        elif isinstance(part, Other):
            rest.append([part.type, part.fields])
    return [text, rest] if rest else text


def _hash_word(word: str) -> int:
    return 1 << hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0]


_bit_of = lru_cache(maxsize=20_000)(_hash_word)


def have_same_words(text: str, other: str) -> bool:
    """Return whether two texts are alike, or one quotes the other: it was wrapped, cut or reworded a little."""
    text, other = smooth(text), smooth(other)
    if not text or not other:
        return False
    return (
        is_quoted(text, other) or compute_jaccard_similarity(sketch_words(text), sketch_words(other)) >= ALIKE
    )


def is_quoted(text: str, other: str) -> bool:
    """Return whether two smooth texts are the same, or the longer has the shorter in it; an empty text is not."""
    shorter, longer = sorted((text, other), key=len)
    return bool(shorter) and (shorter == longer or (len(shorter) >= LEAST_QUOTED and shorter in longer))
