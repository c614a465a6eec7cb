"""The walk over parts meets all of them, and copies nothing that stays as it is."""

from __future__ import annotations

from greenflash_otel.model.operation import Message, Operation, Part, Text
from greenflash_otel.model.visit import map_parts

OPERATION = Operation(
    "chat",
    system_instructions=(Text("a"),),
    input=(Message("user", (Text("b"), Text("c")), name="ada"), Message("tool")),
    output=(Message("assistant", (Text("d"),)),),
)


def test_every_part_is_met_with_the_role_of_who_said_it() -> None:
    """Instructions are the system's."""
    met: list[tuple[Part, str]] = []

    def note(part: Part, role: str) -> Part:
        met.append((part, role))
        return part

    assert map_parts(OPERATION, note) is OPERATION
    assert met == [
        (Text("a"), "system"),
        (Text("b"), "user"),
        (Text("c"), "user"),
        (Text("d"), "assistant"),
    ]


def test_parts_are_changed_and_left_out() -> None:
    """A message that loses all its parts is left out; one that had none stays."""
    changed = map_parts(
        OPERATION, lambda part, role: None if part in (Text("a"), Text("b"), Text("d")) else part
    )
    assert changed.system_instructions == () and changed.output == ()
    assert changed.input == (Message("user", (Text("c"),), name="ada"), Message("tool"))
