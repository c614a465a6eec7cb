"""Name the provider that a client of the SDK talks to, in the words of ``gen_ai.provider.name``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

CLIENTS: Mapping[str, str] = {
    "BaseAzureClient": "azure.ai.openai",
    "BedrockOpenAI": "aws.bedrock",
    "AsyncBedrockOpenAI": "aws.bedrock",
}
"""Provider by name of a client class, its own or inherited."""

HOSTS: Mapping[str, str] = {
    "openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "inference.ai.azure.com": "azure.ai.inference",
    "amazonaws.com": "aws.bedrock",
    "anthropic.com": "anthropic",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "cohere.ai": "cohere",
    "cohere.com": "cohere",
    "deepseek.com": "deepseek",
    "groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "moonshot.ai": "moonshot_ai",
    "openrouter.ai": "openrouter",
    "perplexity.ai": "perplexity",
    "together.xyz": "together_ai",
    "fireworks.ai": "fireworks_ai",
    "cerebras.ai": "cerebras",
    "x.ai": "x_ai",
}
"""Provider by the end of a host name. The convention's names where it has one."""


def provider_of(client: object) -> str:
    """Return the provider's name; ``openai`` for an unknown host, because it speaks OpenAI's API."""
    for base in type(client).__mro__:
        if provider := CLIENTS.get(base.__name__):
            return provider
    return _find_provider(str(getattr(getattr(client, "base_url", None), "host", "")))


@lru_cache(maxsize=64)
def _find_provider(host: str) -> str:
    labels = host.split(".")
    for length in (2, 3, 4):
        if provider := HOSTS.get(".".join(labels[-length:])):
            return provider
    return "openai"
