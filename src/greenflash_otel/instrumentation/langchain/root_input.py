"""What the user said, found in what the root of a turn was given. Pure.

| given to the root                                | is                                                      |
|--------------------------------------------------|---------------------------------------------------------|
| a text                                           | what the user said                                      |
| a message, a list of messages, a prompt          | what was said so far; roles say by whom                 |
| a mapping, model or dataclass                    | its messages, in any field; and a question in a text    |
| ``Command(resume=…)``, ``Command(update=…)``     | a reply to an interrupt; as the update alone            |

Of several texts, that one is the question which the model was asked whose answer the user saw; a usual name of a
field decides only if that leaves a choice. If no text is the question, the human part of that model call is.
If there is no such call, the input is recorded as JSON, and counted as unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from greenflash_otel.instrumentation.langchain.message_forms import SeenMessage, list_messages, see_messages
from greenflash_otel.instrumentation.langchain.messages import is_message, write_shown
from greenflash_otel.instrumentation.langchain.plain import write_plain
from greenflash_otel.json_values import refer_to_fields
from greenflash_otel.model.operation import Message, Text

QUESTIONS = ("input", "question", "query", "human_input", "user_input", "user_question", "user_query")
"""Usual names of a field with what the user said."""
TOPICS = ("prompt", "text", "message", "topic")
"""Names that mean it only if there is no better one."""
HISTORY = ("chat_history", "history")
"""Usual names of a field with what was said before."""
MESSAGES = ("messages", *HISTORY, *QUESTIONS, *TOPICS)
"""Names of a field with messages that belong to the conversation, whatever else has messages."""
SUPPLIED = frozenset({*HISTORY, "context", "format_instructions", "agent_scratchpad"})
"""Names of texts that applications put into a prompt next to what the user said."""
LEVELS = 3
"""Levels of nesting that are searched."""
ENTRIES = 100
"""Fields on a level that are searched."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a turn began with, as it was then."""

    messages: Sequence[SeenMessage] = ()
    """What was said so far, of whatever form."""
    key: str | None = None
    """The field with the messages."""
    has_place: bool = False
    """Whether there is a field for messages, also if it is empty."""
    texts: Sequence[tuple[str, str]] = ()
    """Name and value of each text that is not in a message."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The fields of the input."""
    rest: Any = None
    """A copy of the input without its messages; None if messages, or one text, are all of it."""
    reply: Any = None
    """What an interrupt is resumed with."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, as the input of a chain whose input is streamed to it."""
        return not (self.messages or self.texts or self.rest is not None or self.reply is not None)


@dataclass(slots=True)
class _SearchResult:
    """What a search through the fields of an input has found."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    lists: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    has_place: bool = False


def given_of(inputs: Any) -> Given:
    """Return what the input of a root says."""
    if inputs is None or (isinstance(inputs, (str, Mapping, list, tuple)) and not inputs):
        return Given()
    if isinstance(inputs, str):
        return Given(texts=(("", inputs),))
    if type(inputs).__name__ == "Command":
        return _read_command(inputs)
    if (messages := list_messages(inputs)) is not None:
        return Given(see_messages(messages), has_place=True)
    fields = inputs if isinstance(inputs, Mapping) else refer_to_fields(inputs)
    if fields is None:
        return Given(rest=write_plain(inputs))
    return _read_fields(fields)


def find_messages(value: Any, key: str | None = None) -> Sequence[Any] | None:
    """Return the messages of a state: those in the field ``key``, else in ``messages``, else in any field.

    Of a value that is a message or a list of messages, those; None if there are none.
    """
    if (messages := list_messages(value)) is not None:
        return messages
    fields = value if isinstance(value, Mapping) else refer_to_fields(value)
    if not isinstance(fields, Mapping):
        return None
    for name in (key, "messages"):
        entry = fields.get(name) if name else None
        if isinstance(entry, list) and not entry:
            return entry
        if name and (listed := list_messages(entry, texts=name == "messages")) is not None:
            return listed
    lists = (entry for entry in fields.values() if isinstance(entry, list) and entry)
    return next((listed for entry in lists if (listed := list_messages(entry)) is not None), None)


def choose_question(
    given: Given, last_said: str | None, asked: Message | None
) -> tuple[Message | None, bool]:
    """Return what the user said in addition to the messages, and whether that could not be read.

    Args:
        last_said: The text that the messages end with, if the user said it.
        asked: The human part of the model call whose answer the user saw.
    """
    asked_text = _write_text(asked) if asked is not None else None
    if last_said is not None and given.key not in HISTORY:
        return _make_message(_find_second_question(given, last_said, asked_text)), False
    text = _choose_text(given, asked_text)
    if text is not None:
        message = Message("user", (Text(text),))
        if asked is not None and asked_text is not None and contains(asked_text, text):
            pictures = tuple(part for part in asked.parts if not isinstance(part, Text))
            message = replace(message, parts=(*message.parts, *pictures))
        return message, False
    if not given.texts and (given.rest is None or given.messages):
        return None, False
    if asked is not None and not (given.messages and len(given.texts) < 2):
        return asked, False
    if given.has_place or given.rest is None:
        return None, False
    return _make_message(write_shown(given.rest)), True


def find_asked(given: Given, messages: Sequence[Message]) -> Message | None:
    """Return the human part of a model call: the last user message with a text of the input, else the last."""
    questions = [message for message in messages if message.role == "user" and _write_text(message).strip()]
    texts = [text for name, text in given.texts if name not in SUPPLIED]
    has_words = (
        message
        for message in reversed(questions)
        if any(contains(_write_text(message), text) for text in texts)
    )
    return next(has_words, questions[-1] if questions else None)


def contains(whole: str, part: str) -> bool:
    """Return whether a text is in another one, as whole words."""
    part = part.strip()
    if not part or part not in whole:
        return False
    begin = r"(?<!\w)" if part[0].isalnum() else ""
    end = r"(?!\w)" if part[-1].isalnum() else ""
    return re.search(begin + re.escape(part) + end, whole) is not None


def _read_command(command: Any) -> Given:
    update = getattr(command, "update", None)
    if isinstance(update, (list, tuple)) and update and list_messages(update) is None:
        update = dict(update)  # pairs of a field and its value
    return replace(given_of(update), reply=getattr(command, "resume", None))


def _read_fields(fields: Mapping[str, Any]) -> Given:
    result = _SearchResult()
    _search(fields, result, LEVELS)
    if not result.texts and not result.lists and not any(_has_value(value) for value in fields.values()):
        return Given(fields=dict(fields), has_place=result.has_place)
    lists = _choose_lists(result.lists)
    messages = [message for _, messages_of_field in lists for message in messages_of_field]
    rest = None
    if len(result.texts) != 1 and not (result.lists and not result.texts):
        rest = write_plain({name: value for name, value in fields.items() if list_messages(value) is None})
    return Given(
        see_messages(messages),
        key=lists[-1][0] if lists else None,
        has_place=result.has_place or bool(lists),
        texts=tuple(result.texts),
        fields=dict(fields),
        rest=rest,
    )


def _search(fields: Mapping[str, Any], result: _SearchResult, levels: int) -> None:
    """Collect texts and messages of an input, field by field."""
    for name, value in _take_fields(fields):
        if isinstance(value, str):
            if name == "messages" and value:
                result.lists.append((name, [value]))
            elif value.strip():
                result.texts.append((name, value))
        elif (messages := list_messages(value, texts=name == "messages")) is not None:
            result.lists.append((name, messages))
        elif isinstance(value, (list, tuple)):
            result.has_place = result.has_place or (not value and name in ("messages", *HISTORY))
            result.texts += [
                (name, text) for text in value[:ENTRIES] if isinstance(text, str) and text.strip()
            ]
        elif levels > 1 and (inner := _read_inner_fields(value)) is not None:
            _search(inner, result, levels - 1)


def _take_fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for at, (name, value) in enumerate(fields.items()):
        if at >= ENTRIES:
            return
        yield str(name), value


def _read_inner_fields(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a mapping or model; a document is something that was looked up."""
    if isinstance(value, Mapping):
        return value
    return None if hasattr(value, "page_content") or is_message(value) else refer_to_fields(value)


def _choose_lists(lists: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[str, Sequence[Any]]]:
    """Return the messages of the conversation, the history first."""
    usual = [entry for entry in lists if entry[0] in MESSAGES] or lists[:1]
    ranks = (HISTORY, ("messages",), (*QUESTIONS, *TOPICS))
    return sorted(
        usual, key=lambda entry: next((at for at, names in enumerate(ranks) if entry[0] in names), 1)
    )


def _has_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, (str, Mapping, list, tuple)) and not value)


def _choose_text(given: Given, asked: str | None) -> str | None:
    """Return the text of an input that is the question."""
    texts = [entry for entry in given.texts if entry[0] not in SUPPLIED]
    if len(texts) == 1:
        name, text = texts[0]
        if given.has_place and asked is not None and name not in (*QUESTIONS, *TOPICS, ""):
            return text if contains(asked, text) else None
        return text
    if asked is None:
        return None if given.key is None and not texts else _find_named(texts)
    same = [text for _, text in texts if text.strip() == asked.strip()]
    contained = [text for text in texts if contains(asked, text[1])]
    if same or len(contained) == 1:
        return (same or [contained[0][1]])[0]
    named = [text for name, text in contained if name in QUESTIONS]
    if contained:
        return named[0] if len(named) == 1 else None
    return _find_named(texts)


def _find_named(texts: Sequence[tuple[str, str]]) -> str | None:
    """Return the text under the most usual name."""
    by_name = dict(reversed(texts))
    return next((by_name[name] for name in (*QUESTIONS, *TOPICS) if name in by_name), None)


def _find_second_question(given: Given, last_said: str, asked: str | None) -> str | None:
    """Return a question that comes in a field of its own, although the messages end with the user's."""
    texts = [text for name, text in given.texts if name in QUESTIONS]
    texts += [text for _, text in given.texts if asked is not None and text.strip() == asked.strip()]
    text = next(iter(texts), None)
    if text is None or text.strip() == last_said.strip():
        return None
    is_asked = asked is None or (contains(asked, text) and not contains(asked, last_said))
    return text if is_asked else None


def _make_message(text: str | None) -> Message | None:
    return None if text is None else Message("user", (Text(text),))


def _write_text(message: Message) -> str:
    return "\n".join(part.content for part in message.parts if isinstance(part, Text))
