"""Messages in every form that an application may write them in, and as they were when they were seen.

LangChain takes its own messages, mappings in OpenAI's form, pairs of role and text, and its serialized forms.
The application may change a list, or a message in it, while its turn runs. So what is seen is copied then: the
list, and what each message says. That costs little, because texts are shared; messages are read later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.messages import BaseMessage, convert_to_messages

from greenflash_otel.instrumentation.langchain.messages import is_message, likeness_of
from greenflash_otel.internal_errors import guarded
from greenflash_otel.semconv.formats.langchain import role_of, tool_calls_of

ROLES = frozenset({"human", "user", "ai", "assistant", "system", "developer", "tool", "function"})
"""What names who speaks, where a message is no object."""

SeenMessage: TypeAlias = tuple[Any, Any, Sequence[Any]]
"""A message as the application wrote it, and what one of LangChain's said and asked for when it was seen."""


def is_like_message(value: Any) -> bool:
    """Return whether LangChain would make a message of a value that is no text."""
    if is_message(value):
        return True
    if isinstance(value, Mapping):
        if value.get("lc") == 1:
            return isinstance(value.get("kwargs"), Mapping) and "content" in value["kwargs"]
        role = value.get("role", value.get("type"))
        is_named = isinstance(role, str) and role in ROLES
        return is_named and any(name in value for name in ("content", "data", "tool_calls"))
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return isinstance(value[0], str) and value[0] in ROLES and isinstance(value[1], (str, list))
    return False


def list_messages(value: Any, *, texts: bool = False) -> Sequence[Any] | None:
    """Return the messages that a value is: one, a list of them, or a prompt; None if it is something else.

    Args:
        texts: Whether a list of texts counts, as it does where LangGraph expects messages.
    """
    if is_like_message(value):
        return [value]
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, BaseMessage) for item in value):
            return value
        is_list = all(is_like_message(item) or isinstance(item, str) for item in value)
        has_message = texts or any(is_like_message(item) for item in value)
        return value if value and is_list and has_message else None
    if hasattr(value, "to_messages") and not isinstance(value, type):
        messages: Sequence[Any] = value.to_messages()
        return messages
    return None


def see_messages(messages: Iterable[Any]) -> tuple[SeenMessage, ...]:
    """Note what messages say at this moment."""
    return tuple(map(_see_message, messages))


def restore_messages(seen: Iterable[SeenMessage]) -> list[Any]:
    """Return the messages as they were when they were seen."""
    restored = (restore_message(*seen_message) for seen_message in seen)
    return [message for message in restored if message is not None and message.type != "remove"]


def convert_messages(messages: Iterable[Any]) -> list[Any]:
    """Return LangChain's messages, of whatever form they are; what is none is left out."""
    return restore_messages((message, None, ()) for message in messages)


def match_messages(messages: Sequence[Any], known_messages: Sequence[Any]) -> list[int | None]:
    """Return which of the known messages each one is, in their order; None for what is not among them."""
    same = count_same(messages, known_messages)
    if same:
        later = match_messages(messages[same:], known_messages[same:])
        return [*range(same), *(None if at is None else same + at for at in later)]
    objects = {id(message): at for at, message in enumerate(known_messages)}
    names = {name: at for at, message in enumerate(known_messages) if (name := getattr(message, "id", None))}
    matches, begin = list[int | None](), 0
    for message in messages:
        name = getattr(message, "id", None)
        at = objects.get(id(message), names.get(name) if name else None)
        if at is None and begin < len(known_messages):
            at = _find_alike(message, known_messages, begin)
        if at is not None:
            begin = max(begin, at + 1)
        matches.append(at)
    return matches


def count_same(messages: Sequence[Any], known_messages: Sequence[Any]) -> int:
    """Return how many messages at the beginning are the same objects: in a thread, nearly all."""
    same = 0
    for message, other in zip(messages, known_messages, strict=False):
        if message is not other:
            break
        same += 1
    return same


def _find_alike(message: Any, known_messages: Sequence[Any], begin: int) -> int | None:
    """Find the next message that says the same, where one of the two has no id to compare."""
    name, role, likeness = getattr(message, "id", None), role_of(message), None
    for at in range(begin, len(known_messages)):
        other = known_messages[at]
        if (name and getattr(other, "id", None)) or role_of(other) != role:
            continue
        likeness = likeness_of(message) if likeness is None else likeness
        if likeness_of(other) == likeness:
            return at
    return None


def _see_message(message: Any) -> SeenMessage:
    if isinstance(message, BaseMessage) or is_message(message):
        content, calls = message.content, getattr(message, "tool_calls", None)
        if calls:  # of few messages: a call less for all others
            calls = [{**call} for call in tool_calls_of(message)]
        return message, content if isinstance(content, str) else [*map(_copy_block, content)], calls or ()
    return (dict(message) if isinstance(message, Mapping) else message), None, ()


def _copy_block(block: Any) -> Any:
    return dict(block) if isinstance(block, Mapping) else block


def restore_message(message: Any, content: Any, calls: Sequence[Any]) -> Any:
    """Return a message as it was when it was seen: itself, unless it was changed since."""
    if not is_message(message):
        return _convert_message(message)
    if content is None:
        return message
    was: dict[str, Any] = (
        {} if message.content is content or message.content == content else {"content": content}
    )
    if calls and calls != tool_calls_of(message):
        was["tool_calls"] = [*calls]
    return message.model_copy(update=was) if was else message


def _convert_message(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("lc") != 1:
        if isinstance(value.get("data"), Mapping):
            value = {"type": value.get("type"), **value["data"]}
        value = {**value, "content": value.get("content") or ""}
    form: Any = value
    with guarded("read a message"):
        return next((message for message in convert_to_messages([form]) if is_message(message)), None)
    return None
