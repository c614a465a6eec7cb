"""What a whole turn reports: the user's words, what was said up to the answer, and which steps that covers.

What an agent keeps as its messages decides what was said: a later turn resends that, and comes to the same
ids wherever it runs. Without such a state it is put together from the model calls of the main line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from greenflash_otel.instrumentation.langchain.config import LangChainConfig
from greenflash_otel.instrumentation.langchain.edited_calls import (
    list_arguments,
    list_requested_calls,
    split_edit,
    write_edited_call,
)
from greenflash_otel.instrumentation.langchain.message_forms import convert_messages
from greenflash_otel.instrumentation.langchain.message_steps import find_steps, find_tool_step
from greenflash_otel.instrumentation.langchain.messages import (
    is_inserted,
    is_message,
    likeness_of,
    text_of,
    write_shown,
)
from greenflash_otel.instrumentation.langchain.model_calls import (
    add_usages,
    read_facts,
    write_answer_of,
)
from greenflash_otel.instrumentation.langchain.plain import get_entry
from greenflash_otel.instrumentation.langchain.prompts import find_call_of_prompt, remove_system_prompt
from greenflash_otel.instrumentation.langchain.root_input import (
    choose_question,
    contains,
    find_asked,
    find_messages,
)
from greenflash_otel.instrumentation.langchain.root_io import find_shown, replies_of, write_answer
from greenflash_otel.instrumentation.langchain.run_registry import Turn
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.instrumentation.langchain.turn_border import TurnBorder, is_answer, remove_alternatives
from greenflash_otel.internal_errors import count_unread
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import split_message
from greenflash_otel.message_ids.ids import namespace_of
from greenflash_otel.message_ids.ids import text_of as write_text
from greenflash_otel.model.operation import TURN, Message, Operation, Reasoning, Text
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.semconv.formats.langchain import read_object, role_of, tool_calls_of

Line: TypeAlias = tuple[Message, Any]
"""What is recorded, and the message of LangChain's that says it, if one in the state does."""


@dataclass(slots=True)
class AssembledTurn:
    """A turn as one operation, and the steps that it describes."""

    operation: Operation
    steps: set[int] = field(default_factory=set)
    """By ``id()`` of the step."""


def assemble_turn(turn: Turn, calls: Sequence[Operation]) -> AssembledTurn:
    """Put a turn together, with the model calls in it that other instrumentations noted."""
    script = _Script(turn, calls)
    inputs, output, parent_id = script.write()
    last = next((step for step in reversed(script.models) if id(step) in script.recorded), None)
    call = find_call_of_prompt(last, script.models, [line for line, _ in output])
    prompt = call.run.prompt if call else None
    operation = Operation(
        name=TURN,
        conversation_context=turn.conversation_context,
        request_model=last.operation.request_model if last else None,
        response_model=last.operation.response_model if last else None,
        provider=last.operation.provider if last else None,
        response_id=last.operation.response_id if last else None,
        system_instructions=(Text(prompt),) if prompt else (),
        prompt=call.run.prompt_template if call and prompt else None,
        input=remove_system_prompt([line for line, _ in inputs])
        if prompt
        else tuple(line for line, _ in inputs),
        input_parent_id=parent_id,
        output=tuple(line for line, _ in output if line.parts),
        usage=add_usages([step.operation.usage for step in script.models]),
        finish_reasons=last.operation.finish_reasons if last else (),
        used_tools=any(step.run.kind == "tool" for step in turn.steps),
    )
    ending = turn.ending
    if ending == "completed" and not turn.answered:
        ending = "cancelled" if turn.root.open else "abandoned"
    operation = replace(operation, ending=ending, failure=turn.failure)
    _remember(turn, parent_id, [*inputs, *output], script.border.state)
    return AssembledTurn(operation, script.recorded)


class _Script:
    """The lines of one turn, and where they come from."""

    def __init__(self, turn: Turn, calls: Sequence[Operation]) -> None:
        self._turn = turn
        self._instrumentation: LangChainConfig = turn.source.instrumentation
        self.models = [step for step in turn.steps if step.run.kind == "model"]
        self._tools = [step for step in turn.steps if step.run.kind == "tool"]
        self.border = TurnBorder(turn)
        self._turn_calls = calls
        self.recorded: set[int] = set()
        self._end_ms = (turn.end_ns or turn.root.started_ns) // NS_PER_MS

    def write(self) -> tuple[list[Line], list[Line], str | None]:
        """Write input and output, and the id of the message before them."""
        begun = self.border.read_begun(lambda state: self._match_known(state)[0])
        new, final = self._read_output(begun)
        known_to, parent_id = self._match_known(begun)
        asked_for = list_requested_calls([*begun, *new], known_to)
        rest, new = (
            [
                message
                for message in messages
                if not self._is_inserted(message) and not self._is_odd(message, asked_for)
            ]
            for messages in (begun[known_to:], new)
        )
        rest, edits = split_edit(self._turn, rest)
        output = [*self._list_output([*edits, *new], begun, is_last=final is None), *self._list_questions()]
        output += [] if final is None else [(final, None)]
        inputs: list[Line] = [(read_object(message), message) for message in remove_alternatives(rest)]
        question = self._choose_question(begun, output)
        if question is not None:
            inputs.append((question, None))
        if self._turn.given.reply is not None:
            inputs += self._list_replies(self._turn.given.reply)
        return inputs, output, parent_id

    def _choose_question(self, begun: Sequence[Any], output: Sequence[Line]) -> Message | None:
        """Return what the user said, if that is no message that the turn began with."""
        given = self._turn.given
        last = begun[-1] if begun else None
        last_said = text_of(last) if last is not None and role_of(last) == "user" else None
        if given.reply is not None and not given.texts:
            return None
        question, is_unread = choose_question(given, last_said, self._find_asked(output))
        if is_unread:
            count_unread()
        return question

    def _find_asked(self, output: Sequence[Line]) -> Message | None:
        """Return the human part of the first model call of which the user saw the answer, else of the last one."""
        calls = [step.operation for step in self.models if not step.run.is_auxiliary]
        calls = [*calls, *self._turn_calls]
        shown = [text for line, _ in output if (text := write_text(line.parts))]
        recorded = [step.operation for step in self.models if id(step) in self.recorded]
        seen = [
            call for call in calls if any(contains(shown_text, write_answer_of(call)) for shown_text in shown)
        ]
        for call in (*recorded, *seen, *reversed(calls)):
            if (question := find_asked(self._turn.given, call.input)) is not None:
                return question
        words = [text for _, text in self._turn.given.texts]
        inner = [step.operation for step in self.models if step.run.within_tool is None]
        for call in inner:  # of a graph in the root: only if it was asked what the root was given
            question = find_asked(self._turn.given, call.input)
            if question is not None and any(contains(write_text(question.parts), word) for word in words):
                return question
        return None

    def _is_inserted(self, message: Any) -> bool:
        """Return whether middleware, or a node of an earlier turn, put a message in."""
        return is_inserted(message) or getattr(message, "id", None) in self._instrumentation.inserted

    def _is_odd(self, message: Any, asked_for: Set[Any]) -> bool:
        """Return whether it is a result that nothing in the state asks for; the step of its tool reports both."""
        orphan = role_of(message) == "tool" and getattr(message, "tool_call_id", None) not in asked_for
        return orphan and find_tool_step(self._tools, message) is not None

    def _read_output(self, begun: Sequence[Any]) -> tuple[list[Any], Message | None]:
        """Return the messages that the turn added, and an answer that is not among them."""
        turn = self._turn
        before = {**turn.given.fields, **turn.fields}
        new = self.border.read_new(begun)
        if any(map(is_answer, new)):
            return new, None
        structured = get_entry(turn.outputs, "structured_response") if turn.answered else None
        if structured is not None and before.get("structured_response") is not structured:
            return new, Message("assistant", (Text(write_shown(structured)),), at_ms=self._end_ms)
        has_messages, new = bool(new), new or self._build_transcript()
        shown: Any = None
        if turn.answered and not (turn.questions and isinstance(turn.outputs, Mapping)):
            answers = [text for step in self.models if (text := write_answer_of(step.operation))]
            answers += [text for call in self._turn_calls if (text := write_answer_of(call))]
            before |= {"": turn.given.texts[0][1]} if turn.given.texts[:1] and not before else {}
            is_graph = turn.root.is_graph
            shown = find_shown(turn.outputs, before, answers, is_graph=is_graph, has_messages=has_messages)
        return self._add_shown(new, begun, shown)

    def _add_shown(
        self, new: list[Any], begun: Sequence[Any], shown: Any
    ) -> tuple[list[Any], Message | None]:
        """Add what the user saw to the messages, or return it, if no message says it."""
        messages = None if shown is None else find_messages(shown)
        if messages:
            answers = [message for message in convert_messages(messages) if role_of(message) == "assistant"]
            return [
                *new,
                *(
                    message
                    for message in answers[-1:]
                    if not any(message is other for other in [*new, *begun])
                ),
            ], None
        text = None if shown is None else write_answer(shown)
        is_left = self._turn.outputs is None and self._turn.ending != "completed"
        is_open = (is_left or not self._turn.answered) and not self._turn.questions
        step = self._find_step_of_answer(text) if text is not None or is_open else None
        if step is not None:
            return [*new, step.message], None
        return new, None if text is None else Message("assistant", (Text(text),), at_ms=self._end_ms)

    def _build_transcript(self) -> list[Any]:
        """Return what models of the main line asked tools for, and what those answered."""
        lines = list[Any]()
        results = {step.run.tool_call_id: step for step in self._tools}
        for step in self.models:
            calls = tool_calls_of(step.message) if is_message(step.message) else ()
            ids = [call.get("id") for call in calls]
            if step.run.is_auxiliary or not any(id in results for id in ids):
                continue
            lines.append(step.message)
            lines += [results[id].message for id in ids if id in results and is_message(results[id].message)]
        return lines

    def _find_step_of_answer(self, text: str | None) -> Step | None:
        """Return the newest model call of the main line that gave the answer; None: that said anything at all."""
        for step in reversed(self.models):
            if not is_message(step.message) or step.run.is_auxiliary or tool_calls_of(step.message):
                continue
            spoken = text_of(step.message).strip()
            is_broken_off = step.operation.ending != "completed"
            if spoken and (
                text is None or spoken == text.strip() or (is_broken_off and spoken.startswith(text.strip()))
            ):
                return step
        return None

    def _match_known(self, state: Sequence[Any]) -> tuple[int, str | None]:
        """Return how much of the state earlier turns have recorded, and the id of the last message of that."""
        conversation_id = self._turn.conversation_context.conversation_id
        if conversation_id is None:
            return 0, None
        if self._instrumentation.history is not None:
            for index in range(len(state) - 1, -1, -1):
                name = getattr(state[index], "id", None)
                end = self._instrumentation.ends.get((conversation_id, name)) if name else None
                if end and end[1] == likeness_of(state[index]):
                    return index + 1, end[0]
                if end:  # an edited message is a branch from where it was
                    return index, end[2]
        if any(role_of(message) == "assistant" for message in state):
            return 0, None
        return 0, self._instrumentation.latest.get(conversation_id)

    def _list_output(self, messages: Sequence[Any], begun: Sequence[Any], *, is_last: bool) -> list[Line]:
        """Return what was said after the user: of several answers the last is shown, the others lead to it."""
        lines = list[Line]()
        answers = [at for at, message in enumerate(messages) if is_answer(message)]
        steps = find_steps(messages, self.models, self._tools)
        shown = self._list_shown(messages, answers, steps) if is_last else ()
        times_ms, requested = self._list_times(steps), list_arguments(begun)
        for at, (new_message, step, at_ms) in enumerate(zip(messages, steps, times_ms, strict=True)):
            if role_of(new_message) == "user":
                lines.append((self._write_inserted(new_message, at_ms), new_message))
            if role_of(new_message) not in ("assistant", "tool"):
                continue
            if at in answers and at not in shown:
                if step is None:
                    lines.append(
                        (Message("assistant", (Reasoning(text_of(new_message)),), at_ms=at_ms), None)
                    )
                continue
            requested |= list_arguments([new_message])
            if step is not None:
                self.recorded.add(id(step))
            if (edited := write_edited_call(step, requested)) is not None:
                lines.append((edited, None))
            lines.append((replace(read_object(new_message, at_ms=at_ms), call=read_facts(step)), new_message))
        return lines

    def _list_shown(
        self, messages: Sequence[Any], answers: Sequence[int], steps: Sequence[Step | None]
    ) -> list[int]:
        """Return the last answer, and those right before it that no model and no tool stands between."""
        shown = list(answers[-1:])
        for at in reversed(answers[:-1]):
            if at + 1 != shown[-1] or not self._is_one_answer(messages[at : at + 2], steps[at : at + 2]):
                break
            shown.append(at)
        return shown

    def _is_one_answer(self, pair: Sequence[Any], steps: Sequence[Step | None]) -> bool:
        """Return whether two answers that follow each other were shown as one, in two bubbles."""
        if None not in steps:
            return False  # each is what a model said: the first is a draft
        for bubbles in self._turn.node_outputs:
            if all(any(_is_same(message, other) for other in bubbles) for message in pair):
                return True
        if steps[1] is not None:
            return False
        first = steps[0]
        if first is None:
            return not (self.models or self._tools or self._turn.asked)
        if self._turn.asked_after > self._turn.steps.index(first):
            return False
        return all(step.run.started_ns <= first.end_ns for step in (*self.models, *self._tools))

    def _write_inserted(self, message: Any, at_ms: int) -> Message:
        """Return what a node added in the role of the user, as a hidden step, unless another step says it."""
        text = text_of(message)
        texts = [*map(text_of, (step.message for step in self.models if is_message(step.message)))]
        is_known = text in texts or any(
            contains(text, given_text) for _, given_text in self._turn.given.texts
        )
        return Message("assistant", () if is_known else (Reasoning(text),), at_ms=at_ms)

    def _list_times(self, steps: Sequence[Step | None]) -> list[int]:
        """Return when each message was said. What no step made was there before the next one began."""
        times, next_ms = list[int](), self._end_ms
        for step in reversed(steps):
            times.append(step.end_ns // NS_PER_MS if step else next_ms)
            next_ms = step.run.started_ns // NS_PER_MS if step else next_ms
        return times[::-1]

    def _list_replies(self, reply: Any) -> list[Line]:
        """Return what a person replied to interrupts: to each its own message."""
        turn_id = self._turn.conversation_context.turn_id
        return [
            (Message("user", (Text(text),), out_of_band_id=f"{turn_id}-{id}" if id else turn_id), None)
            for id, text in replies_of(reply)
        ]

    def _list_questions(self) -> list[Line]:
        return [
            (Message("assistant", (Text(text),), at_ms=self._end_ms, out_of_band_id=name), None)
            for name, text in self._turn.questions.items()
        ]


def _remember(turn: Turn, parent_id: str | None, lines: Sequence[Line], state: Sequence[Any]) -> None:
    """Note under which ids the messages of a turn are known, for the turns that will resend them.

    They will be as the turn left them in the graph's state, where a node may have changed them.
    """
    left = {name: message for message in state if (name := getattr(message, "id", None))}
    conversation_id, instrumentation = turn.conversation_context.conversation_id, turn.source.instrumentation
    for line, message in lines:
        if message is not None and role_of(message) == "user" and line.role != "user" and message.id:
            instrumentation.inserted.remember(message.id, None)
    if conversation_id is None:
        return
    namespace = namespace_of(conversation_id, instrumentation.key)
    head_id = parent_id
    for line, message in lines:
        before, head_id = head_id, find_head(namespace, head_id, (split_message(line),))
        name = getattr(message, "id", None)
        if name and head_id is not None and line.role in ("user", "assistant"):
            instrumentation.ends.remember(
                (conversation_id, name), (head_id, likeness_of(left.get(name, message)), before)
            )
    if head_id is not None:
        instrumentation.latest.remember(conversation_id, head_id)


def _is_same(message: Any, other: Any) -> bool:
    name = getattr(other, "id", None)
    return other is message or (name is not None and name == getattr(message, "id", None))
