"""One GenAI operation in the words of the OpenTelemetry GenAI conventions (1.37 and newer).

Pure values. Instrumentations fill an `Operation` and write it to a span; readers get it back from
a span of ours or of anybody; ``conversations`` turns operations into messages. Names are those of
the convention: https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from greenflash_otel.json_values import Json as Json
from greenflash_otel.model.call_ids import LinkedPart
from greenflash_otel.model.long_input import LongInput
from greenflash_otel.model.prompts import PromptTemplate as PromptTemplate


@dataclass(frozen=True, slots=True)
class Text:
    """Text that was said."""

    content: str
    annotations: tuple[Json, ...] = field(default=(), hash=False)
    """What the provider cites for it, as it came; no part of its identity, as histories often leave it out."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought before it answered; never shown to the user."""

    content: str


@dataclass(frozen=True, slots=True)
class ToolCall(LinkedPart):
    """The model asks for a tool."""

    name: str
    arguments: Json = None
    """Decoded where it was valid JSON, else the text as the model wrote it."""
    id: str | None = None
    """``call_…`` id that the result refers to."""
    caller_id: str | None = None
    """Id of the call of the provider's that made this one, as a program does."""


@dataclass(frozen=True, slots=True)
class ToolCallResponse(LinkedPart):
    """What the tool answered."""

    response: Json
    id: str | None = None
    """Id of the `ToolCall` it answers."""
    failed: bool = False
    """True where the producer said that the tool failed (``is_error``)."""
    name: str | None = field(default=None, compare=False)
    """Of the tool, if the producer said it; its call says the same."""


@dataclass(frozen=True, slots=True)
class ServerToolCall:
    """A tool that the provider ran: web search, code interpreter, MCP."""

    name: str
    call: Mapping[str, Json]
    """The provider's item as it came, without its result."""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ServerToolCallResponse:
    """What came of a `ServerToolCall`."""

    response: Mapping[str, Json]
    id: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a sound, a video or a document; the bytes themselves are never retained."""

    modality: str
    """``image``, ``audio``, ``video`` or ``document``."""
    uri: str | None = None
    """Where it can be fetched, if it was given by reference."""
    file_id: str | None = None
    """The provider's id of an uploaded file."""
    mime_type: str | None = None
    digest: str | None = None
    """``sha256:…`` of the inline bytes, so that the same picture is recognised again."""
    size_bytes: int | None = None
    transcript: str | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """A part of a type we do not know, unchanged."""

    type: str
    fields: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Voice:
    """How a message was spoken. Times are Unix milliseconds."""

    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    response_latency_ms: int | None = None
    """From the end of what was said before to the start of this."""
    barge_in: bool = False
    """True where the speaker began while the other still spoke."""
    was_interrupted: bool = False
    speaker: str | None = None


Part: TypeAlias = (
    Text | Reasoning | ToolCall | ToolCallResponse | ServerToolCall | ServerToolCallResponse | Media | Other
)


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a model call besides its words; fields are the properties that an answer gets."""

    model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    latency_ms: int | None = None
    time_to_first_chunk_ms: int | None = None
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """An entry of a model's input or output."""

    role: str
    """``system``, ``user``, ``assistant``, ``tool`` or what the provider calls it."""
    parts: tuple[Part, ...] = ()
    name: str | None = None
    finish_reason: str | None = None
    """Only on output: why the model stopped, in the provider's word."""
    voice: Voice | None = None
    """None where it was written."""
    at_ms: int | None = None
    """Unix time in milliseconds at which it was said; None: when its operation began, or ended."""
    out_of_band_id: str | None = None
    """Names something said outside the history that the application keeps, as an interrupt's question is."""
    call: CallFacts | None = None
    """What is known of the model call that said it, in an operation that is made of several calls."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call; None where the provider did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    """Part of `input_tokens` that came from the provider's cache."""
    reasoning_output_tokens: int | None = None
    """Part of `output_tokens` that was reasoning."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation did not end well."""

    type: str
    """``error.type``: an exception's class name or an HTTP status."""
    message: str | None = None
    """None with content capture off: exception texts can quote content."""


@dataclass(frozen=True, slots=True)
class ToolExecution:
    """A tool that ran, as an ``execute_tool`` span reports it."""

    name: str
    call_id: str | None = None
    arguments: Json = None
    result: Json = None
    answered: bool = True
    """False where it is not known what it answered; what the model is given next says it."""


@dataclass(frozen=True, slots=True)
class ConversationContext:
    """To whom and to what an operation belongs. None means unknown."""

    conversation_id: str | None = None
    user_id: str | None = None
    organization_id: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    """Properties of the conversation."""
    internal: bool = False
    """True inside `internal()`: the user never sees what this operation says."""
    scope_id: str | None = None
    """Names one entry into a `conversation()` without an id, so that what happens in it stays together."""
    tool_call_id: str | None = None
    """Call id of the tool inside which an operation runs: the user never sees it."""
    turn_id: str | None = None
    """Names the turn of an agent that an operation is part of, or reports; see `TURN`."""
    prompt: PromptTemplate | None = None
    """The prompt of the model calls in `prompt()`."""
    message_properties: Mapping[str, Json] = field(default_factory=dict)
    """Properties of the messages of the operation itself."""
    sample_rate: float | None = None
    """The share of such conversations to retain; what is said first of a conversation counts."""
    force_sample: bool | None = None
    """Whether it is retained whatever the rates say."""


def merge_context(context: ConversationContext, other: ConversationContext) -> ConversationContext:
    """Return ``context`` with what only ``other`` says: of conversation, user and organization, and of sampling."""
    return replace(
        context,
        conversation_id=context.conversation_id or other.conversation_id,
        user_id=context.user_id or other.user_id,
        organization_id=context.organization_id or other.organization_id,
        sample_rate=other.sample_rate if context.sample_rate is None else context.sample_rate,
        force_sample=other.force_sample if context.force_sample is None else context.force_sample,
    )


ORIGINAL = "greenflash_original"
"""Property that contains repaired arguments as the application passed them, by name."""


def merge_properties(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> dict[str, Json]:
    """Return what both say; of one name the later value counts, and repaired originals add up."""
    merged = {**earlier, **later}
    before, after = earlier.get(ORIGINAL), later.get(ORIGINAL)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        merged[ORIGINAL] = {**before, **after}
    return merged


def nest_context(outer: ConversationContext, inner: ConversationContext) -> ConversationContext:
    """Return what applies in a context that is entered within another one.

    What the inner one leaves out is the outer one's. A different conversation begins with its own properties,
    outside the tool and the turn around it.
    """
    other = inner.conversation_id not in (None, outer.conversation_id)
    return replace(
        merge_context(inner, replace(outer, sample_rate=None, force_sample=None) if other else outer),
        properties=inner.properties if other else merge_properties(outer.properties, inner.properties),
        internal=inner.internal or (outer.internal and not other),
        tool_call_id=inner.tool_call_id or (None if other else outer.tool_call_id),
        turn_id=None if other else outer.turn_id,
        scope_id=outer.scope_id if inner.conversation_id is None else None,
        prompt=inner.prompt or outer.prompt,
        message_properties=merge_properties(outer.message_properties, inner.message_properties),
    )


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """A spoken conversation as a whole, so far."""

    platform: str
    """Greenflash's word for who carries it, e.g. ``openai_realtime``."""
    platform_call_id: str | None = None
    duration_ms: int | None = None
    interruption_count: int | None = None
    ended_reason: str | None = None


Ending: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned", "pending"]
"""How an operation ended: ``cancelled`` by its caller's task, ``abandoned`` when a stream was left early,
``pending`` when the provider continues it and what has come so far is not final."""

MAIN_CALLS = frozenset({"chat", "generate_content", "text_completion"})
"""Names of the model calls that speak with the user, unless they are marked otherwise."""

FETCH = "fetch_response"
"""Name of an operation that reads an answer made elsewhere: only its output counts."""

ADD_ITEMS = "add_items"
"""Name of an operation that adds messages to a conversation retained by the provider: only its input counts."""

TURN = "invoke_agent"
"""Name of an operation that records a whole turn: the user's words, and everything up to the answer."""

EXECUTE_TOOL = "execute_tool"
RETRIEVAL = "retrieval"
CHAIN = "chain"
TASK = "task"
WORKFLOW = "workflow"
MEMORY_READ = "memory_read"
MEMORY_WRITE = "memory_write"
CHAINS = frozenset({CHAIN, TASK, WORKFLOW})
"""Names of operations that group other steps."""

EMBEDDINGS = "embeddings"
DELETE_ITEMS = "delete_items"
COMPACT = "compact_response"
DECISION = "decision"

RECORD_MESSAGE = "record_message"
"""Name of an operation whose words follow the last message of the conversation."""

SHOWN = MAIN_CALLS | {FETCH, ADD_ITEMS, RECORD_MESSAGE, TURN}
"""Names of operations whose words the user may see."""


def is_step(name: str) -> bool:
    """Return whether an operation of this name is a hidden step, which the user never sees as such.

    Every name is one that is not a call, a turn or a tool. So a convention or an endpoint can bring a new name
    without a row here.
    """
    return name not in SHOWN and name != EXECUTE_TOOL


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Times and ids are the span's; see `spans.SpanRecord`."""

    name: str
    """``gen_ai.operation.name``: one of `SHOWN`, `EXECUTE_TOOL`, or the name of a hidden step, see `is_step`."""
    conversation_context: ConversationContext = field(default_factory=ConversationContext)
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    previous_response_id: str | None = None
    """OpenAI Responses: the input continues after this response's output."""
    provider_conversation_id: str | None = None
    """OpenAI Conversations: the input continues this stored conversation."""
    system_instructions: tuple[Part, ...] = ()
    prompt: PromptTemplate | None = None
    """The prompt that the system prompt was made from."""
    input: tuple[Message, ...] = ()
    input_parent_id: str | None = None
    """External id of the message right before ``input[0]``, if the span leaves out known history."""
    output: tuple[Message, ...] = ()
    output_item_ids: tuple[str, ...] = ()
    """The provider's ids of the items in the output, by which a later input may refer to them."""
    output_type: str | None = None
    """``gen_ai.output.type``: ``json`` where the model was asked for that; None if nobody asked."""
    choice_count: int = 1
    """``n``: with more than one, the output messages are alternatives to each other."""
    tool: ToolExecution | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    streamed: bool = False
    time_to_first_chunk_s: float | None = None
    voice_call: VoiceCall | None = None
    used_tools: bool = False
    """Of a `TURN`: whether tools ran in it, also where no message in it asks for one."""
    ending: Ending = "completed"
    failure: Failure | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    """More that is worth keeping of this operation, e.g. ``retries`` or ``service_tier``."""
    long_input: LongInput | None = field(default=None, compare=False)
    """Where `input` is in an attribute's text, if it is long; its beginning may be left out of `input`."""


def iterate_calls(messages: Iterable[Message]) -> Iterator[ToolCall]:
    """Yield the tool calls in messages."""
    return (part for message in messages for part in message.parts if isinstance(part, ToolCall))


def iterate_results(messages: Iterable[Message]) -> Iterator[ToolCallResponse]:
    """Yield the results of tools in messages."""
    return (part for message in messages for part in message.parts if isinstance(part, ToolCallResponse))


def is_bare_failure(operation: Operation | None) -> bool:
    """Return whether a model call failed and nothing is known of what was said; another span may know it."""
    has_failed = operation is not None and operation.name in MAIN_CALLS and operation.failure is not None
    return has_failed and operation is not None and not operation.input and not operation.output
