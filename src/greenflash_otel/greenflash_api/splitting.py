"""Cut a request in two, for a server that finds it too large or one of its messages bad. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from greenflash_otel.greenflash_api.request import ApiRequest, encode


def split(request: ApiRequest) -> tuple[ApiRequest, ApiRequest]:
    """Return the first and the second half of a request's messages, each with all its other fields.

    A message has the same bytes in its half as it had in the whole.

    Raises:
        ValueError: It has no two messages to part.
    """
    body = json.loads(request.body)
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or len(messages) < 2:
        raise ValueError(f"a {request.kind} request without two messages cannot be split")
    middle = (len(messages) + 1) // 2
    first, second = (
        replace(request, body=encode({**body, "messages": half}), items=len(half))
        for half in (messages[:middle], messages[middle:])
    )
    return first, second
