"""Split messages into fragments, each of which Greenflash keeps as one message. Pure.

An assistant message with text and two tool calls is three fragments; Chat Completions and Responses, which
group them differently, give the same ones in the same order. Each message is split once per call, and each
fragment written once: both keep what was worked out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Literal, TypeAlias

from greenflash_otel.message_ids.ids import (
    canonical_of,
    id_of_written,
    loosen_text,
    quote,
    sketch_words,
    text_of,
    write_canonical,
)
from greenflash_otel.message_ids.thought_blocks import has_block, separate_thoughts
from greenflash_otel.model.call_ids import is_made
from greenflash_otel.model.operation import (
    CallFacts,
    Json,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
)
from greenflash_otel.semconv.formats.otel_messages import write_part
from greenflash_otel.values import value

FragmentKind: TypeAlias = Literal["user", "answer", "tool_call", "tool_result", "thought", "system"]

LINK_KINDS: Sequence[FragmentKind] = ("user", "answer", "tool_call")
"""Kinds of fragments that later ones can follow."""

SYSTEM_ROLES = frozenset({"system", "developer"})
RESULT_ROLES = frozenset({"tool", "function"})
KINDS: Mapping[str, FragmentKind] = {"system": "system", "developer": "system", "assistant": "answer"}
"""What a message says by its role; that of any other role is the user's."""
REFUSAL = "refusal"
"""Type of the part in which a model declines; the user sees it."""

NOT_SAID = frozenset({"item_reference", "compaction", "compaction_trigger"})
"""Types of parts that manage what the provider keeps; they say nothing themselves."""

SKETCHED = 4_000
"""Characters at either end of a user message that are compared by likeness."""

_HIDDEN = (Reasoning, ToolCall, ToolCallResponse, ServerToolCall, ServerToolCallResponse)


@dataclass(slots=True, eq=False)
class Fragment:
    """A part of a message, or several that belong together. Nothing but its caches changes."""

    kind: FragmentKind
    canonical: Json
    """What counts for its identity; see `ids`."""
    text: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    """What is not text: attachments, arguments, a result."""
    tool_name: str | None = None
    call_id: str | None = None
    caller_id: str | None = None
    """The call that made this one."""
    failed: bool = False
    by_provider: bool = False
    """True for a call of a tool that the provider ran: what is resent often leaves it out."""
    voice: Voice | None = None
    ends_message: bool = False
    """True for the text of an assistant message that asks for no tool."""
    at_ms: int | None = None
    """When it was said, if the message has a time."""
    out_of_band_id: str | None = None
    """See `Message.out_of_band_id`: nothing follows it."""
    is_refused: bool = False
    """Whether it is an answer that never reached the application: the SDK could not parse it."""
    call: CallFacts | None = None
    """See `Message.call`: with the first words of the message, or with its first part."""
    annotations: Sequence[Json] = ()
    """See `Text.annotations`."""
    is_link: bool = False
    """Whether the next fragment's id depends on this one; see `chain`."""
    written: str = field(default="", repr=False)
    """Its canonical content as JSON: all but results have it, whose ids do not depend on that."""
    _content_key: tuple[str, str] | None = field(default=None, init=False, repr=False)
    _loose_key: tuple[str, str] | None = field(default=None, init=False, repr=False)
    _sketch: int | None = field(default=None, init=False, repr=False)

    def hash_content(self, namespace: str) -> str:
        """Return a hash of what it says, wherever in the conversation that is."""
        if self._content_key is None or self._content_key[0] != namespace:
            self._content_key = namespace, id_of_written(namespace, None, self.kind, self.written)
        return self._content_key[1]

    def hash_loosely(self, namespace: str) -> str:
        """Return a hash of what it says in any form: without media, queries of addresses and call ids."""
        if self._loose_key is None or self._loose_key[0] != namespace:
            known, text = self._content_key, self.canonical
            key = known[1] if known is not None and known[0] == namespace else self.hash_content(namespace)
            is_loose = isinstance(text, str) and "://" not in text and " ".join(text.split()) == text
            if not is_loose and (loose := self._loosen()) != self.canonical:
                key = id_of_written(namespace, None, self.kind, write_canonical(loose))
            self._loose_key = namespace, key
        return self._loose_key[1]

    @property
    def sketch(self) -> int:
        """Its words as bits, if the user saw or said them: they are compared by likeness."""
        if self._sketch is None:
            text = self.text or ""
            if self.kind == "user" and len(text) > 2 * SKETCHED:
                text = f"{text[:SKETCHED]} {text[-SKETCHED:]}"
            self._sketch = sketch_words(text) if self.kind in ("user", "answer") else 0
        return self._sketch

    def _loosen(self) -> Json:
        if self.kind == "tool_call" and isinstance(self.canonical, list):
            return self.canonical[:-1]
        text = self.canonical[0] if isinstance(self.canonical, list) else self.canonical
        return (isinstance(text, str) and loosen_text(text)) or self.canonical


@value
class SplitMessage:
    """A message with its fragments."""

    message: Message
    role: str
    fragments: Sequence[Fragment]
    names_stored_items: bool = False
    """Whether it refers to what the provider keeps; see `NOT_SAID`."""


def find_system_prompt(operation: Operation) -> tuple[str | None, int]:
    """Return the system prompt, and how many leading messages of the input are part of it.

    The prompt comes from the instructions and the leading system messages. One that has a time of its own was
    added in the middle of a session: it is no part of the prompt.
    """
    leading = 0
    for message in operation.input:
        if message.role not in SYSTEM_ROLES or message.at_ms is not None:
            break
        leading += 1
    texts = [text_of(operation.system_instructions)]
    texts += [text_of(message.parts) for message in operation.input[:leading]]
    return "\n\n".join(text for text in texts if text) or None, leading


def split_messages(messages: Iterable[Message]) -> tuple[SplitMessage, ...]:
    """Split each of several messages."""
    return tuple(map(split_message, messages))


def split_refused(messages: Iterable[Message]) -> tuple[SplitMessage, ...]:
    """Split an answer that the SDK could not parse: what it says has the same ids, but nobody saw it."""
    split = split_messages(messages)
    for message in split:
        for fragment in message.fragments:
            fragment.is_refused = fragment.kind == "answer"
    return split


def split_message(message: Message) -> SplitMessage:
    """Split a message into its fragments, in order. A message without any content has none."""
    parts, role, is_complete = message.parts, message.role, True
    if role == "assistant" and has_block(parts):
        parts = separate_thoughts(message)
    if len(parts) == 1 and isinstance(parts[0], Text) and role not in RESULT_ROLES:
        fragments = _split_text(message, parts[0])  # nearly all messages of long histories
    else:
        spoken = [part for part in parts if not (isinstance(part, Other) and part.type in NOT_SAID)]
        fragments, is_complete = list(_split_parts(message, spoken)), len(spoken) == len(parts)
    for fragment in fragments:
        if fragment.kind != "tool_result":
            canonical = fragment.canonical
            fragment.written = quote(canonical) if type(canonical) is str else write_canonical(canonical)
        fragment.at_ms, fragment.out_of_band_id = message.at_ms, message.out_of_band_id
        fragment.is_link = (
            fragment.kind in LINK_KINDS and not fragment.by_provider and message.out_of_band_id is None
        )
    if message.call is not None:
        _add_call_facts(fragments, message.call)
    return SplitMessage(message, role, fragments, names_stored_items=not is_complete)


def _add_call_facts(fragments: Sequence[Fragment], facts: CallFacts) -> None:
    """Give the fragments of a message what is known of its call: its tokens count once, its model for each."""
    bearer = next((fragment for fragment in fragments if fragment.kind == "answer"), None) or next(
        iter(fragments), None
    )
    for fragment in fragments:
        fragment.call = facts if fragment is bearer else CallFacts(facts.model)


def _split_text(message: Message, text: Text) -> list[Fragment]:
    """Split a message that is one text, as `_split_parts` does."""
    content = text.content
    if not content:
        return []
    kind = KINDS.get(message.role, "user")
    return [
        Fragment(
            kind,
            content.rstrip(),
            content,
            voice=None if kind == "system" else message.voice,
            ends_message=kind == "answer",
            annotations=text.annotations,
        )
    ]


def _split_parts(message: Message, spoken: Sequence[Part]) -> Iterator[Fragment]:
    if message.role in SYSTEM_ROLES:
        yield from _split_visible("system", spoken)
        return
    if message.role in RESULT_ROLES:
        yield from (_read_tool_result(part, message.name) for part in message.parts)
        return
    kind = KINDS.get(message.role, "user")
    ends = kind == "answer" and not any(isinstance(part, ToolCall) for part in spoken)
    for visible, group in groupby(spoken, key=_is_visible):
        parts = tuple(group)
        if visible:
            yield from _split_visible(kind, parts, message.voice, ends)
        else:
            yield from _name_results([_read_hidden(part) for part in parts])


def _name_results(fragments: Sequence[Fragment]) -> Sequence[Fragment]:
    """Name the tool in the result of a provider's call without id: the result comes right after its call."""
    for call, result in pairwise(fragments):
        if result.kind == "tool_result" and result.call_id is None and call.by_provider:
            result.tool_name = call.tool_name
    return fragments


def _is_visible(part: Part) -> bool:
    return not isinstance(part, _HIDDEN)


def _split_visible(
    kind: FragmentKind, parts: Sequence[Part], voice: Voice | None = None, ends_message: bool = False
) -> Iterator[Fragment]:
    canonical = canonical_of(parts)
    if canonical == "" and not any(isinstance(part, Text) and part.content for part in parts):
        return
    refusals = [part for part in parts if isinstance(part, Other) and part.type == REFUSAL]
    texts = [text_of(parts), *(str(refusal.fields.get("content") or "") for refusal in refusals)]
    attachments = [write_part(part) for part in parts if not isinstance(part, Text) and part not in refusals]
    data: dict[str, Json] = {"parts": attachments} if attachments else {}
    if refusals:
        data["refusal"] = True
    text = "\n".join(text for text in texts if text)
    fragment = Fragment(kind, canonical, text or None, data, voice=voice, ends_message=ends_message)
    fragment.annotations = [
        annotation for part in parts if isinstance(part, Text) for annotation in part.annotations
    ]
    yield fragment


def _read_hidden(part: Part) -> Fragment:
    match part:
        case Reasoning(content):
            return Fragment("thought", content.rstrip(), data={"text": content})
        case ToolCall(name, arguments, id, caller_id):
            data = arguments if isinstance(arguments, Mapping) else _wrap("arguments", arguments)
            canonical = [name, arguments, None if is_made(id) else id]
            return Fragment(
                "tool_call", canonical, data=data, tool_name=name, call_id=id, caller_id=caller_id
            )
        case ServerToolCall(name, call, id):
            return Fragment(
                "tool_call", [name, call, id], data=call, tool_name=name, call_id=id, by_provider=True
            )
        case _:
            return _read_tool_result(part, None)


def _read_tool_result(part: Part, tool_name: str | None) -> Fragment:
    match part:
        case ToolCallResponse(response, id, failed, name):
            data = response if isinstance(response, Mapping) else _wrap("result", response)
            name = name or tool_name
            return Fragment("tool_result", response, data=data, tool_name=name, call_id=id, failed=failed)
        case ServerToolCallResponse(response, id, failed):
            return Fragment("tool_result", response, data=response, call_id=id, failed=failed)
        case Text(content):
            return Fragment("tool_result", content, data={"result": content}, tool_name=tool_name)
        case _:
            return Fragment("tool_result", write_part(part), data=write_part(part), tool_name=tool_name)


def _wrap(name: str, content: Json) -> Mapping[str, Json]:
    """Return an object, because Greenflash takes nothing else as input or output."""
    return {} if content is None else {name: content}
