"""An application for WSGI servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import greenflash_otel as greenflash
from tests.servers.model import asked, client

greenflash.instrument()
model = client()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer ``/tell/<conversation>`` with one call, ``/stream/<conversation>/<words>`` with a stream."""
    kind, id, *words = environ["PATH_INFO"].strip("/").split("/")
    start_response("200 OK", [("content-type", "text/plain")])
    if kind == "stream":
        return said(id, int(words[0]))
    with greenflash.conversation(id):
        answer = model.chat.completions.create(**asked())
    return [(answer.choices[0].message.content or "").encode()]


def said(id: str, words: int) -> Iterator[bytes]:
    """What the model says, as it comes."""
    with greenflash.conversation(id):
        for chunk in model.chat.completions.create(**asked(stream=True, max_tokens=words)):
            yield (chunk.choices[0].delta.content or "").encode()
