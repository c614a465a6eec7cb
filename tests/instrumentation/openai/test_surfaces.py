"""Which requests are ours."""

from __future__ import annotations

import pytest

from greenflash_otel.instrumentation.openai.surfaces import surface_of


@pytest.mark.parametrize(
    ("method", "url", "path"),
    [
        ("post", "/chat/completions", "/chat/completions"),
        ("POST", "/responses", "/responses"),
        ("post", "/deployments/gpt-4o/chat/completions?api-version=1", "/chat/completions"),
        ("post", "https://proxy.example/v1/responses/", "/responses"),
        ("get", "/chat/completions", None),
        ("get", "/responses/resp_1", None),
        ("post", "/responses/resp_1/cancel", None),
        ("post", "/responses/compact", None),
        ("post", "/chat/completions/chatcmpl-1", None),
        ("post", "/completions", None),
        ("post", "/embeddings?next=/responses", None),
    ],
)
def test_surface_of(method: str, url: str, path: str | None) -> None:
    """The end of the path decides, whatever stands before it and after the question mark."""
    surface = surface_of(method, url)
    assert (surface.path if surface else None) == path
