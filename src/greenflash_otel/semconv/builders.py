"""Embeddings and retrievals as operations, whoever recorded them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from greenflash_otel.model.operation import EMBEDDINGS, RETRIEVAL, Json, Message, Operation, Other, Text

CONTENT = ("content", "page_content", "text", "document")
"""What the text of a document is called."""


def embedding_of(texts: Json, *, count: int | None = None) -> Operation:
    """Make an embedding of a text, or of several.

    Args:
        count: How many there were, where that is known though the texts are not.
    """
    inputs = texts if isinstance(texts, Sequence) and not isinstance(texts, str) else [texts]
    parts = tuple(Text(text) for text in inputs if isinstance(text, str) and text)
    text_count = count or len(parts)
    return Operation(
        EMBEDDINGS,
        input=(Message("user", parts),) if parts else (),
        properties={"count": text_count} if text_count else {},
    )


def retrieval_of(query: Json, documents: Json) -> Operation:
    """Make a retrieval of documents."""
    entries = documents if isinstance(documents, Sequence) and not isinstance(documents, str) else []
    parts = tuple(Other("document", _read_document(entry)) for entry in entries)
    return Operation(
        RETRIEVAL,
        input=(Message("user", (Text(query),)),) if isinstance(query, str) and query else (),
        output=(Message("tool", parts),) if parts else (),
    )


def _read_document(document: Json) -> Mapping[str, Json]:
    if not isinstance(document, Mapping):
        return {"content": document}
    kwargs = document.get("kwargs")
    recorded = kwargs if isinstance(kwargs, Mapping) else document
    content = next((recorded[name] for name in CONTENT if name in recorded), None)
    rest = {name: recorded[name] for name in ("id", "score", "metadata") if recorded.get(name) is not None}
    return {**({} if content is None else {"content": content}), **rest}
