"""A program with two instrumentations: ``python -m tests.instrumentation.openai.beside MODULE ours|theirs``.

A process of its own, because not every instrumentation can be taken off again.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import openai

from greenflash_otel.instrumentation.openai import instrument
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai.played_sync import CHAT, said
from tests.instrumentation.openai.replies import PIECES, TEXT, chunks, completion
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans, text_of


def main(module: str, first: str) -> None:
    """Whole and streamed calls: the application gets its answer, each of the two has one span a call."""
    ours, theirs = Spans(), Spans()
    instrumentor = importlib.import_module(module).OpenAIInstrumentor()
    steps: list[Callable[[], object]] = [
        lambda: instrument(ours.tracer),
        lambda: instrumentor.instrument(tracer_provider=theirs.provider, skip_dep_check=True),
    ]
    for step in steps if first == "ours" else reversed(steps):
        step()
    replies = (document(completion()), events(chunks()))
    with Server(*replies) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        whole = client.chat.completions.create(**CHAT)
        pieces = [said(chunk) for chunk in client.chat.completions.create(**CHAT, stream=True)]
    assert (whole.choices[0].message.content, pieces[:2]) == (TEXT, list(PIECES))
    assert [text_of(*operation.output) for operation in ours.operations()] == [TEXT, TEXT]
    assert len(theirs.all()) == 2
    assert not get_internal_errors()


if __name__ == "__main__":
    main(*sys.argv[1:])
