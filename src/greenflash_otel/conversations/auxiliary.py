"""Recognise auxiliary calls that nobody marked: guards, routers, extractors, title generators. Pure.

What the user does not see must not become something the model said to them; what they do see must not be
hidden. So a call counts as auxiliary only where two things say so:

| a call with another system prompt than primary calls  | is                                         |
|--------------------------------------------------------|--------------------------------------------|
| that quotes the last exchange                          | auxiliary: it is about the conversation    |
| with structured output: JSON was asked for, or the     | auxiliary; undecided while no primary call |
| answer is one word                                     | is known                                   |

Where primary calls have structured output themselves, that says nothing. An auxiliary call that comes before
its question was asked by a primary call waits for that (`AUXILIARY_EARLY`). An undecided call waits for the
next call of the conversation: it was auxiliary if that asks the model the same with another system prompt,
and does not continue from its answer. Else it was primary, and so are calls like it from then on. A rewriter
that gets the whole history and answers in prose looks like any agent that takes over: the application marks
it with `internal()`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from greenflash_otel.conversations.changes import (
    CallRole,
    ConversationFacts,
    Excerpt,
    Exchange,
    LastCall,
)
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.fragments import SplitMessage
from greenflash_otel.message_ids.ids import (
    LEAST_QUOTED,
    canonical_of,
    compute_jaccard_similarity,
    sketch_words,
    smooth,
    text_of,
)
from greenflash_otel.model.operation import MAIN_CALLS, SHOWN, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord

SIMILARITY_THRESHOLD = 0.6
"""Share of words two system prompts have in common that are the same but for what is filled in."""
QUOTED = 48
"""Characters of a message by which it is found again in a quotation."""

ONE_WORD = re.compile(r"\s*[\w-]+\s*")
SPACE = re.compile(r"\s+")
WORD_START = re.compile(r"(?<!\w)\S")


def classify_call(state: ConversationState, prepared: PreparedOperation) -> CallRole:
    """Return the role of a call, from what marks it, else from how it differs from primary calls."""
    operation, facts = prepared.operation, state.facts
    if not _is_shown(operation):
        return CallRole.AUXILIARY
    context = operation.conversation_context
    is_named = context.conversation_id or context.scope_id
    if operation.name not in MAIN_CALLS or not is_named or operation.previous_response_id:
        return CallRole.PRIMARY
    is_other = has_other_prompt(facts, prepared.prompt)
    if is_other and _does_quote_last_exchange(state, prepared.messages):
        return CallRole.AUXILIARY
    if not prepared.prompt or facts.primary_output_is_structured or not _is_structured(operation):
        return CallRole.PRIMARY
    if facts.primary_prompt_sketch is None:
        return CallRole.UNDECIDED
    if not is_other:
        return CallRole.PRIMARY
    comes_first = _comes_before_its_question(state, prepared.messages)
    return CallRole.AUXILIARY_EARLY if comes_first else CallRole.AUXILIARY


def was_auxiliary(undecided: PreparedOperation, following: PreparedOperation) -> bool:
    """Return whether an undecided call was auxiliary, now that the next call is there."""
    operation = undecided.operation
    if operation.conversation_context.internal:
        return True
    if (
        operation.response_id is not None
        and operation.response_id == following.operation.previous_response_id
    ):
        return False
    if _are_similar(sketch_words(undecided.prompt or ""), sketch_words(following.prompt or "")):
        return False
    answers = [canonical_of(message.parts) for message in operation.output]
    continues = any(
        canonical_of(message.message.parts) in answers
        for message in following.messages
        if message.role == "assistant"
    )
    return not continues and _find_newest_question(undecided) == _find_newest_question(following)


def record_primary_call(
    state: ConversationState, prepared: PreparedOperation, span: SpanRecord
) -> dict[str, Any]:
    """Return the `ConversationFacts` that say how primary calls look, of which this is one."""
    operation, fields = prepared.operation, dict[str, Any]()
    last = state.facts.last_call
    if last is None or span.end_ns >= last.end_ns:
        scope_id = operation.conversation_context.scope_id
        fields["last_call"] = LastCall(span.end_ns, span.trace_id, scope_id)
    if operation.name not in MAIN_CALLS:
        return fields
    is_first = (
        state.facts.primary_prompt_sketch is None and prepared.messages
    )  # one that says nothing shows nothing
    if prepared.prompt or is_first:
        fields["primary_prompt_sketch"] = sketch_words(prepared.prompt or "")
        fields["primary_output_is_structured"] = _is_structured(operation)
    question = next(
        (text_of(message.message.parts) for message in reversed(prepared.messages) if message.role == "user"),
        "",
    )
    answer = text_of(operation.output[0].parts) if operation.output else ""
    fields["last_exchange"] = Exchange(
        begin_excerpt(state.namespace, question), begin_excerpt(state.namespace, answer)
    )
    return fields


def _is_shown(operation: Operation) -> bool:
    """Return whether the user may see what an operation says: nobody marked it, and no tool made it."""
    context = operation.conversation_context
    return operation.name in SHOWN and not context.internal and context.tool_call_id is None


def has_other_prompt(facts: ConversationFacts, prompt: str | None) -> bool:
    """Return whether a system prompt differs from the one that primary calls have."""
    primary_sketch = facts.primary_prompt_sketch
    return primary_sketch is not None and not _are_similar(primary_sketch, sketch_words(prompt or ""))


def _are_similar(sketch: int, other: int) -> bool:
    return compute_jaccard_similarity(sketch, other) >= SIMILARITY_THRESHOLD


def _comes_before_its_question(state: ConversationState, messages: Sequence[SplitMessage]) -> bool:
    """Return whether an auxiliary call is about what no primary call has been asked yet."""
    newest = next((message for message in reversed(messages) if message.role == "user"), None)
    return newest is not None and not any(
        state.find_by_content(fragment.hash_content(state.namespace)) for fragment in newest.fragments
    )


def _does_quote_last_exchange(state: ConversationState, messages: Sequence[SplitMessage]) -> bool:
    exchange = state.facts.last_exchange
    if exchange is None or exchange.answer.length < LEAST_QUOTED or not exchange.question.length:
        return False
    texts = [smooth(text_of(message.message.parts)) for message in messages if message.role == "user"]
    return any(
        contains_excerpt(state.namespace, text, exchange.question)
        and contains_excerpt(state.namespace, text, exchange.answer)
        for text in texts
    )


def contains_excerpt(namespace: str, text: str, excerpt: Excerpt) -> bool:
    """Return whether a text has an excerpt, at the beginning of a word."""
    length = excerpt.length
    starts = (match.start() for match in WORD_START.finditer(text, 0, max(0, len(text) - length + 1)))
    return any(_digest(namespace, text[start : start + length]) == excerpt.digest for start in starts)


def _is_structured(operation: Operation) -> bool:
    """Return whether a program reads the answer: it is JSON or one word."""
    if operation.output_type == "json":
        return True
    parts = [part for message in operation.output for part in message.parts]
    return len(parts) == 1 and isinstance(parts[0], Text) and bool(ONE_WORD.fullmatch(parts[0].content))


def _find_newest_question(prepared: PreparedOperation) -> object:
    return next(
        (
            canonical_of(message.message.parts)
            for message in reversed(prepared.messages)
            if message.role == "user"
        ),
        None,
    )


def begin_excerpt(namespace: str, text: str) -> Excerpt:
    """Return the beginning of a text, by which a quotation of it is found."""
    beginning = smooth(text)[:QUOTED].rstrip()
    return Excerpt(len(beginning), _digest(namespace, beginning))


def _digest(namespace: str, text: str) -> str:
    return hashlib.blake2b(f"{namespace} {text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
