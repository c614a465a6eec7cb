"""Print what is captured, for a person who develops: the setting ``print``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.conversion import StateStore
from greenflash_otel.internal_errors import guarded
from greenflash_otel.state_record import StateRecord

MOST_CHARACTERS: Final = 200
"""Of one thing that is printed."""
_CONTENTS: Final = ("content", "output", "input")


class PrintingStore:
    """A store that prints the requests which it hands on."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Print requests and store them."""
        entries = tuple(requests)
        with guarded("print what is captured"):
            for request in entries:
                for line in list_lines(request):
                    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the setting asks for it
        if converted_id:
            return self._store.put(entries, notes, converted_id=converted_id)
        return self._store.put(entries, notes)


def list_lines(request: ApiRequest) -> Iterator[str]:
    """Return a line for each message, or one for anything else."""
    body: dict[str, Any] = json.loads(request.body)
    start = f"greenflash: {request.conversation_id or '(no conversation)'}"
    for message in body.get("messages", ()):
        content = next((message[name] for name in _CONTENTS if message.get(name)), "")
        tool = f" {message['toolName']}" if "toolName" in message else ""
        yield f"{start}  {message['messageType']}{tool}  {_shorten(content)}"
    if request.kind == "outcome":
        yield f"{start}  outcome  {_shorten(body['eventType'])} = {_shorten(body['value'])}"
    elif request.kind != "messages":
        yield f"{start}  {request.kind}  {_shorten(body)}"


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
