"""Spans around model calls that record the same once more: an agent's run, a workflow. Pure.

What a run says is only recorded where the calls in it do not: a call that failed before its input was recorded
gets it from there, calls of which none was instructed get the instructions, and a run without any call is
recorded as one call. Calls that say nothing may still get log records, so that a run around them is not recorded. Of
a run that comes alone it depends on whether its calls came before it (`make_call`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from greenflash_otel.model.operation import Operation
from greenflash_otel.model.roles import SYSTEM_ROLES

RUN = "run"
"""Name of an operation that is a whole run; it is none of the convention's, and ends here."""


def restore_input(call: Operation, run: Operation) -> Operation:
    """Give a call that failed the input of its run, if it does not say its own.

    Only of one that failed is it known that the run's messages are what it was given.
    """
    if call.input or call.output or call.ending != "failed":
        return call
    return replace(
        call, input=run.input, system_instructions=call.system_instructions or run.system_instructions
    )


def restore_instructions(calls: Sequence[Operation], run: Operation) -> Sequence[Operation]:
    """Give the calls of a run its instructions, if none of them has any."""
    if not run.system_instructions or any(map(_is_instructed, calls)):
        return calls
    return [replace(call, system_instructions=run.system_instructions) for call in calls]


def _is_instructed(call: Operation) -> bool:
    return bool(call.system_instructions) or any(message.role in SYSTEM_ROLES for message in call.input)


def make_call(run: Operation, *, already_emitted: bool) -> Operation | None:
    """Make one call of a run that came without any; None if its trace was read before."""
    return None if already_emitted else replace(run, name="chat")
