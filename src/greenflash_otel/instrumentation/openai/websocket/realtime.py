"""Record Realtime sessions: one turn per response, whose input is what was said since the response before.

Another model writes down what a person says, often after the answer to it is complete. So a turn that is over
waits, but no longer than the session. It waits a bounded time for its transcripts and for the results of its
MCP servers. It waits for the end of its sound until the next answer begins, because the person can still cut the
sound short. Turns end in their order.

Over WebRTC and SIP the connection does not carry the sound. There the server reports when it plays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.websocket.realtime_translation import (
    AUDIO_DELTAS,
    AUDIO_ENDS,
    KEYS,
    find_unfinished_calls,
    read_call_result,
    translate_event,
)
from greenflash_otel.instrumentation.openai.websocket.realtime_turns import (
    RealtimeExchange,
    RequestQueue,
    ResponseRequest,
)
from greenflash_otel.instrumentation.openai.websocket.session import (
    Session,
    SessionTurn,
    record_as_unanswered,
)
from greenflash_otel.instrumentation.openai.websocket.speech import (
    Item,
    Pace,
    add_speech,
    compute_elapsed_ms,
)
from greenflash_otel.json_values import JsonObject, read_count, read_json_object, read_str
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import ADD_ITEMS, Message, Operation, Voice, VoiceCall
from greenflash_otel.semconv.formats.openai import read_messages, read_parts

MAX_REMEMBERED = 256
"""Items without a response, and speeches without an item, that are retained."""


class RealtimeSession(Session):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instructions: object = None
        self._transcribed = True
        """Whether persons' speech is written down; taken for granted until the server says it."""
        self._format = "audio/pcm"
        self._began_ms = self._clock_ns() // 10**6
        self._interruptions = 0
        self._pace = Pace()
        self._items: LruDict[str, Item] = LruDict(MAX_REMEMBERED)
        """What was added to the conversation and not answered yet, by id, in order."""
        self._voices: LruDict[str, Voice] = LruDict(MAX_REMEMBERED)
        self._requests = RequestQueue()
        self._exchanges: dict[str, RealtimeExchange] = {}
        """By response id, in the order in which they began."""
        self._late: LruDict[str, None] = LruDict(MAX_REMEMBERED)
        """Ids of calls of MCP servers that had no result when their turn ended."""
        self._silent: LruDict[str, None] = LruDict(MAX_REMEMBERED)
        """Ids of items in which nobody speaks."""
        self._talker_id: str | None = None
        """The item of the person who spoke last since the last answer began."""
        self._talking_since_ms: int | None = None
        """When the application began to send sound; Unix time."""
        self._talk_began_ms: int | None = None
        """When the server last heard somebody begin to talk; on the clock of the sound it got."""
        self._last_spoken_ms: int | None = None
        """When the last answer was at its end."""

    def _read_sent(self, event: JsonObject, now_ns: int) -> SessionTurn | None:
        kind = event.get("type")
        if kind == "input_audio_buffer.append" and self._talking_since_ms is None:
            self._talking_since_ms = now_ns // 10**6
        elif kind == "response.create":
            settings = read_json_object(event.get("response"))
            self._requests.add(ResponseRequest(event, self._make_operation(settings)))
        return None

    def _read_received(self, event: JsonObject, now_ns: int) -> None:
        kind = read_str(event.get("type")) or ""
        if handler := HANDLERS.get(kind):
            handler(self, event, now_ns)
        elif exchange := self._exchange_of(event):
            self._read_answer(exchange, kind, event, now_ns)
        self._end_complete_turns(now_ns)

    def _read_answer(self, exchange: RealtimeExchange, kind: str, event: JsonObject, now_ns: int) -> None:
        """Read an event of the inside of a response."""
        speech = exchange.speech
        if kind in AUDIO_DELTAS:
            speech.add_audio(read_str(event.get("delta")) or "", self._format, now_ns // 10**6)
        speech.complete |= kind in AUDIO_ENDS
        if kind == "response.output_item.added":
            id = read_str(read_json_object(event.get("item")).get("id")) or ""
            exchange.outputs.add(id)
            self._items.pop(id, None)
        exchange.turn.add(translate_event(event), now_ns)
        if kind == "response.done":
            exchange.done_ns = now_ns
            exchange.unfinished |= find_unfinished_calls(event)
            if speech.started_ms is not None and _was_interrupted(event):
                self._interrupt(exchange)

    def _end_complete_turns(self, now_ns: int) -> None:
        """End the turns of which everything is known, in their order."""
        for exchange in list(self._exchanges.values()):
            if not exchange.is_complete(now_ns):
                return
            self._end(exchange.turn)

    def _end(self, turn: SessionTurn, error: BaseException | None = None) -> None:
        super()._end(turn, error)
        if exchange := self._exchanges.pop(turn.response_id or "", None):
            for id in exchange.unfinished:
                self._late.remember(id, None)

    def _complete_operation(self, turn: SessionTurn, error: BaseException | None) -> Operation:
        exchange = self._exchanges[turn.response_id or ""]
        turn.operation = replace(turn.operation, input=_list_messages(exchange.items, turn.operation.input))
        ended_ms = (turn.last_ns or self._clock_ns()) // 10**6
        whole = turn.complete_operation(error)
        operation = add_speech(whole, exchange.speech, ended_ms, self._pace.chars_per_s)
        self._pace.learn(whole, exchange.speech)
        if exchange.speech.started_ms is not None:
            self._last_spoken_ms = exchange.speech.compute_end_ms(ended_ms)
        operation = self._place_history(record_as_unanswered(operation))
        return replace(operation, response_model=self._model, voice_call=self._make_call(ended_ms))

    def _close(self, error: BaseException | None) -> None:
        super()._close(error)
        self._record_unanswered()
        self._requests.clear()
        self._voices.clear()
        self._talker_id = self._talking_since_ms = self._talk_began_ms = self._last_spoken_ms = None

    def _has_own_state(self) -> bool:
        return super()._has_own_state() or bool(self._items)

    def _record_unanswered(self) -> None:
        """Record what was said, or added by the application, and never answered."""
        messages = _list_messages(self._items.values(), ())
        self._items.clear()
        if messages and self._instrumentation.active:
            call = self._make_call(self._clock_ns() // 10**6)
            operation = replace(
                self._make_operation({}), name=ADD_ITEMS, input=messages, streamed=False, voice_call=call
            )
            SessionTurn(self._instrumentation, operation).finish(self._place_history(operation))

    def _make_call(self, now_ms: int) -> VoiceCall:
        return VoiceCall(
            "openai_realtime",
            self._joined_id or self._id,
            duration_ms=compute_elapsed_ms(self._began_ms, now_ms),
            interruption_count=self._interruptions,
        )

    def _make_operation(self, settings: JsonObject) -> Operation:
        """Make the operation of a response; if it goes into no conversation, the user does not hear it."""
        conversation_context = self._choose_context({})
        if settings.get("conversation") == "none":
            conversation_context = replace(conversation_context, internal=True)
        return Operation(
            "chat",
            conversation_context,
            provider=self._provider,
            request_model=self._model,
            provider_conversation_id=self._first_id,
            system_instructions=read_parts(settings.get("instructions") or self._instructions),
            input=read_messages(settings.get("input")),
            streamed=True,
        )

    def _exchange_of(self, event: JsonObject) -> RealtimeExchange | None:
        id = read_str(event.get("response_id")) or read_str(read_json_object(event.get("response")).get("id"))
        return self._exchanges.get(id or "")

    def _find_item(self, id: str | None) -> Item | None:
        items = (item for exchange in self._exchanges.values() for item in exchange.items)
        return self._items.get(id or "") or next(
            (item for item in items if item.fields.get("id") == id), None
        )

    # What the server's events say.

    def _on_session(self, event: JsonObject, now_ns: int) -> None:
        session = read_json_object(event.get("session"))
        if (id := read_str(session.get("id"))) and id != self._id:
            self._claim_session(id)
        self._model = read_str(session.get("model")) or self._model
        self._instructions = session.get("instructions", self._instructions)
        audio = read_json_object(session.get("audio"))
        heard, spoken = read_json_object(audio.get("input")), read_json_object(audio.get("output"))
        self._transcribed = bool(heard.get("transcription") or session.get("input_audio_transcription"))
        format = read_json_object(spoken.get("format")).get("type") or session.get("output_audio_format")
        self._format = read_str(format) or self._format

    def _on_item(self, event: JsonObject, now_ns: int) -> None:
        fields = read_json_object(event.get("item"))
        id = read_str(fields.get("id")) or ""
        if fields.get("type") == "mcp_list_tools":
            return  # what could be called: nobody said or did anything
        if exchange := next(
            (candidate for candidate in self._exchanges.values() if id in candidate.outputs), None
        ):
            if read_call_result(fields):
                exchange.turn.amend(fields)
                exchange.unfinished.discard(id)
            return
        if stored := self._find_item(id):
            stored.fields = fields
            return
        if event.get("type") == "conversation.item.done" and fields.get("role", "assistant") == "assistant":
            if id in self._late and (result := read_call_result(fields)):
                del self._late[id]
                self._add_item(id, Item(fields, late=result))
            return  # of an answer that has ended
        item = Item.create(fields, self._voices.pop(id, None), self._transcribed, now_ns // 10**6)
        if id in self._silent:
            item.transcripts.setdefault(0, "")
        self._add_item(id, item)

    def _add_item(self, id: str, item: Item) -> None:
        if len(self._items) == MAX_REMEMBERED:
            self._record_unanswered()
        self._items.remember(id, item)

    def _on_silence(self, event: JsonObject, now_ns: int) -> None:
        self._silent.remember(read_str(event.get("item_id")) or "", None)

    def _on_key(self, event: JsonObject, now_ns: int) -> None:
        """Note that the person pressed a key of a phone; those that follow each other are one message."""
        key = read_str(event.get("event")) or ""
        latest = next(reversed(self._items.values()), None)
        if latest and latest.fields.get("type") == KEYS:
            latest.fields = {**latest.fields, "content": latest.fields["content"] + key}
        elif key:
            fields = {"type": KEYS, "role": "user", "content": key}
            self._add_item(f"keys at {now_ns}", Item(fields, at_ms=now_ns // 10**6))

    def _on_deleted(self, event: JsonObject, now_ns: int) -> None:
        self._items.pop(read_str(event.get("item_id")) or "", None)

    def _on_transcript(self, event: JsonObject, now_ns: int) -> None:
        if (item := self._find_item(read_str(event.get("item_id")))) is None:
            return
        index = read_count(event.get("content_index")) or 0
        if (delta := read_str(event.get("delta"))) is not None:
            item.transcripts[index] = item.transcripts.get(index, "") + delta
            return
        item.awaited = False
        if (transcript := read_str(event.get("transcript"))) is not None:
            item.transcripts[index] = transcript

    def _on_speech_started(self, event: JsonObject, now_ns: int) -> None:
        now_ms = now_ns // 10**6
        heard = [exchange for exchange in self._exchanges.values() if exchange.speech.is_audible(now_ms)]
        spoken = [
            exchange.speech for exchange in self._exchanges.values() if exchange.speech.started_ms is not None
        ]
        before_ms = spoken[-1].compute_end_ms(now_ms) if spoken else self._last_spoken_ms
        latency_ms = None if heard else compute_elapsed_ms(before_ms, now_ms)
        self._talker_id = read_str(event.get("item_id")) or ""
        self._voices.remember(self._talker_id, Voice(now_ms, response_latency_ms=latency_ms))
        self._talk_began_ms = read_count(event.get("audio_start_ms"))
        for exchange in heard:
            self._interrupt(exchange)

    def _interrupt(self, exchange: RealtimeExchange) -> None:
        """Note that an answer was cut short, and that the person who speaks now did it."""
        self._interruptions += not exchange.speech.interrupted
        exchange.speech.interrupted = True
        id = self._talker_id
        if id is None:
            return
        if voice := self._voices.get(id):
            self._voices.remember(id, replace(voice, barge_in=True, response_latency_ms=None))
        elif (item := self._find_item(id)) and item.voice:
            item.voice = replace(item.voice, barge_in=True, response_latency_ms=None)

    def _on_speech_stopped(self, event: JsonObject, now_ns: int) -> None:
        id = read_str(event.get("item_id")) or ""
        if (voice := self._voices.get(id)) and voice.started_at_ms is not None:
            length_ms = compute_elapsed_ms(self._talk_began_ms, read_count(event.get("audio_end_ms")))
            ended_ms = now_ns // 10**6 if length_ms is None else voice.started_at_ms + length_ms
            self._voices.remember(id, replace(voice, ended_at_ms=ended_ms))

    def _on_committed(self, event: JsonObject, now_ns: int) -> None:
        id = read_str(event.get("item_id")) or ""
        if id not in self._voices:  # only the application shows when a person talks
            self._voices.remember(id, Voice(self._talking_since_ms, now_ns // 10**6))
        self._talking_since_ms = None

    def _on_response(self, event: JsonObject, now_ns: int) -> None:
        response = read_json_object(event.get("response"))
        id = read_str(response.get("id")) or f"response {now_ns}"
        if id in self._exchanges:
            return
        out_of_band = "conversation_id" in response and response["conversation_id"] is None
        request = self._requests.take_for(response, out_of_band)
        operation = request.operation if request else self._make_operation({})
        items: list[Item] = []
        if not out_of_band:
            for earlier in self._exchanges.values():
                earlier.speech.over = True
            items = list(self._items.values())
            self._items.clear()
            self._talker_id = None
        turn = self._start(replace(operation, provider_conversation_id=self._first_id))
        turn.response_id = id
        self._exchanges[id] = RealtimeExchange(turn, items, request=request)
        turn.add(translate_event(event), now_ns)

    def _on_truncated(self, event: JsonObject, now_ns: int) -> None:
        id, heard_ms = read_str(event.get("item_id")) or "", read_count(event.get("audio_end_ms"))
        exchange = next(
            (candidate for candidate in self._exchanges.values() if id in candidate.outputs), None
        )
        if exchange and heard_ms is not None:
            exchange.speech.truncate(heard_ms)
            if exchange.speech.cut:
                self._interrupt(exchange)

    def _on_playing(self, event: JsonObject, now_ns: int) -> None:
        if exchange := self._exchange_of(event):
            exchange.speech.start_playing(now_ns // 10**6)

    def _on_played(self, event: JsonObject, now_ns: int) -> None:
        if (exchange := self._exchange_of(event)) is None:
            return
        cut = event.get("type") == "output_audio_buffer.cleared"
        if cut and exchange.speech.is_audible(now_ns // 10**6):
            self._interrupt(exchange)
        exchange.speech.stop_playing(now_ns // 10**6, cut=cut)

    def _on_error(self, event: JsonObject, now_ns: int) -> None:
        if not self._requests.drop_refused(read_json_object(event.get("error"))):
            self._give_back_request()

    def _give_back_request(self) -> None:
        """Note that the server itself began the running response, just before it read the request for it."""
        for exchange in reversed(self._exchanges.values()):
            if exchange.done_ns is None and exchange.request and not exchange.request.is_out_of_band():
                exchange.request = None
                exchange.turn.operation = self._make_operation({})
                return


HANDLERS: Mapping[str, Callable[[RealtimeSession, JsonObject, int], None]] = {
    "session.created": RealtimeSession._on_session,
    "session.updated": RealtimeSession._on_session,
    "conversation.item.created": RealtimeSession._on_item,
    "conversation.item.added": RealtimeSession._on_item,
    "conversation.item.done": RealtimeSession._on_item,
    "conversation.item.deleted": RealtimeSession._on_deleted,
    "conversation.item.truncated": RealtimeSession._on_truncated,
    "conversation.item.input_audio_transcription.delta": RealtimeSession._on_transcript,
    "conversation.item.input_audio_transcription.completed": RealtimeSession._on_transcript,
    "conversation.item.input_audio_transcription.failed": RealtimeSession._on_transcript,
    "input_audio_buffer.speech_started": RealtimeSession._on_speech_started,
    "input_audio_buffer.speech_stopped": RealtimeSession._on_speech_stopped,
    "input_audio_buffer.committed": RealtimeSession._on_committed,
    "input_audio_buffer.timeout_triggered": RealtimeSession._on_silence,
    "input_audio_buffer.dtmf_event_received": RealtimeSession._on_key,
    "output_audio_buffer.started": RealtimeSession._on_playing,
    "output_audio_buffer.stopped": RealtimeSession._on_played,
    "output_audio_buffer.cleared": RealtimeSession._on_played,
    "response.created": RealtimeSession._on_response,
    "error": RealtimeSession._on_error,
}
"""What reads an event that is not about the inside of a response."""


def _list_messages(items: Iterable[Item], more: tuple[Message, ...]) -> tuple[Message, ...]:
    return (*(message for item in items if (message := item.make_message())), *more)


def _was_interrupted(event: JsonObject) -> bool:
    details = read_json_object(read_json_object(event.get("response")).get("status_details"))
    return details.get("reason") == "turn_detected"
