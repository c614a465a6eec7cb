"""Which requests are ours."""

from __future__ import annotations

import pytest

from greenflash_otel.instrumentation.openai.endpoints import surface_of


@pytest.mark.parametrize(
    ("method", "url", "path", "ids"),
    [
        ("post", "/chat/completions", "/chat/completions", ()),
        ("POST", "/responses", "/responses", ()),
        ("post", "/deployments/gpt-4o/chat/completions?api-version=1", "/chat/completions", ()),
        ("post", "https://proxy.example/v1/responses/", "/responses", ()),
        ("get", "/chat/completions", None, ()),
        ("get", "/responses/resp_1", "/responses/*", ("resp_1",)),
        ("get", "/responses/resp_1/input_items", None, ()),
        ("post", "/responses/resp_1/cancel", "/responses/*/cancel", ("resp_1",)),
        ("post", "/chat/completions/chatcmpl-1", None, ()),
        ("post", "/files?next=/responses", None, ()),
        ("post", "/agents/sessions", "/agents/sessions", ()),
        ("post", "/agents/sessions/asess_1", None, ()),
        ("get", "/agents/sessions/asess_1/events", "/agents/sessions/*/events", ("asess_1",)),
        ("post", "/agents/sessions/asess_1/events", "/agents/sessions/*/events", ("asess_1",)),
    ],
)
def test_surface_of(method: str, url: str, path: str | None, ids: tuple[str, ...]) -> None:
    """The end of the path decides, whatever stands before it and after the question mark."""
    found = surface_of(method, url)
    assert (found and (found[0].path, found[1])) == (path and (path, ids))
