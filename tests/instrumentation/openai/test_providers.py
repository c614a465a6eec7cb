"""Which provider a client talks to."""

from __future__ import annotations

import openai
import pytest

from greenflash_otel.instrumentation.openai.providers import provider_of


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        (None, "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("https://m.westus.inference.ai.azure.com/v1", "azure.ai.inference"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.mistral.ai/v1", "mistral_ai"),
        ("https://api.x.ai/v1", "x_ai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini"),
        ("http://localhost:8000/v1", "openai"),
        ("https://notgroq.com/v1", "openai"),
    ],
)
def test_by_address(base_url: str | None, expected: str) -> None:
    """Known hosts have their names; whoever else speaks the API counts as OpenAI's."""
    with openai.OpenAI(api_key="k", base_url=base_url) as client:
        assert provider_of(client) == expected


def test_by_client() -> None:
    """Azure's client is Azure's behind any address, and so is a class made from it."""

    class Mine(openai.AzureOpenAI):
        pass

    with Mine(api_key="k", api_version="1", azure_endpoint="https://proxy.example") as client:
        assert provider_of(client) == "azure.ai.openai"


def test_by_nothing() -> None:
    """Something without an address is no reason to fail."""
    assert provider_of(object()) == "openai"
