"""One table of roles for all readers: who said something, whatever a producer calls them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

SYSTEM_ROLES = frozenset({"system", "developer"})
TOOL = "tool"
ASSISTANT = "assistant"
TOOL_CALL = "tool-call"
"""The model's calls of tools as a message without words of its own; `semconv.normalise` reads what it is given as."""

ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "developer",
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "bot", "chatbot"), ASSISTANT),
    **dict.fromkeys(("llm", "gpt", "agent"), ASSISTANT),
    **dict.fromkeys(("tool-call", "tool_call"), TOOL_CALL),
    **dict.fromkeys(("tool", "function", "tool-response", "tool_response", "tool-result"), TOOL),
    **dict.fromkeys(("tool_result", "function_call_output", "function_response", "ipython"), TOOL),
}
"""The convention's role by the name of a role, in small letters."""


def read_role(name: object, default: str) -> str:
    """Return the convention's role; a name that is not known stays, one that is missing is ``default``.

    LangChain names classes: ``HumanMessage``, ``AIMessageChunk``. Python names enumerations:
    ``MessageRole.USER``.
    """
    if not isinstance(name, str) or not name:
        return default
    return name if name in PLAIN else _find_role(name)


@lru_cache(maxsize=256)
def _find_role(name: str) -> str:
    short = name.rpartition(".")[2].removesuffix("Chunk").removesuffix("Message").strip().lower()
    return ROLES.get(short, name)


PLAIN = frozenset(ROLES.values())
"""Names that stay as they are: nearly all."""
