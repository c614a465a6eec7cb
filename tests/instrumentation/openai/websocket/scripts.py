"""Events as the API sends them, for scripts."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def response(id: str, status: str = "in_progress", *, parent: str | None = None, **more: Any) -> Event:
    """A response object without its output, as WebSocket events may leave it out."""
    return {
        "id": id,
        "object": "response",
        "status": status,
        "model": "gpt-x",
        "previous_response_id": parent,
        **more,
    }


def begun(id: str, lane: str | None = None, parent: str | None = None) -> Event:
    """A response begins."""
    return _on(
        lane, {"type": "response.created", "sequence_number": 4, "response": response(id, parent=parent)}
    )


def said(text: str, lane: str | None = None) -> Event:
    """A piece of its text."""
    return _on(
        lane,
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "item_id": "m",
            "delta": text,
        },
    )


def message(text: str, lane: str | None = None, id: str = "m") -> Event:
    """The message is whole."""
    item = {
        "type": "message",
        "id": id,
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    return _on(lane, {"type": "response.output_item.done", "output_index": 0, "item": item})


def ended(
    id: str, lane: str | None = None, parent: str | None = None, status: str = "completed", **more: Any
) -> Event:
    """The response is over."""
    whole = response(id, status, parent=parent, **more)
    return _on(lane, {"type": f"response.{status}", "response": whole})


def answer(id: str, text: str, lane: str | None = None, parent: str | None = None) -> list[Event]:
    """All events of a response."""
    return [
        begun(id, lane, parent),
        said(text, lane),
        message(text, lane, f"msg_{id}"),
        ended(id, lane, parent),
    ]


def _on(lane: str | None, event: Event) -> Event:
    return {**event, "stream_id": lane} if lane else event
