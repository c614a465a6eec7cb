"""A step of a turn that is over: what is known of it at once, and what is read of it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from greenflash_otel.instrumentation.langchain.run_registry import Run
from greenflash_otel.instrumentation.langchain.unread_call import UnreadCall
from greenflash_otel.model.operation import Operation


@dataclass(eq=False, slots=True)
class Step:
    """A step that is over and waits for the end of its turn, which decides how it counts."""

    run: Run
    begun: Operation
    """What is known of it without reading `unread`."""
    end_ns: int
    message: Any = None
    """The answer of a model, or the result of a tool, as LangChain's message."""
    is_interrupted: bool = False
    """Whether it has not come to its end: it begins anew when its graph is resumed."""
    unread: UnreadCall | None = None
    """What its model was given and answered, where that is read later."""

    @property
    def operation(self) -> Operation:
        """What it did, which is read when it is first asked for."""
        if (unread := self.unread) is not None:
            self.begun = unread.read_into(self.begun)
            self.unread = None
        return self.begun
