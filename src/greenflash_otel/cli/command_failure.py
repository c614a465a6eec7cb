"""A command that cannot do what was asked, as it is said to people and to programs."""

from __future__ import annotations

from greenflash_otel.errors import GreenflashOtelError


class CommandFailure(GreenflashOtelError):
    """Ends a command: one sentence, what may help, and the exit code."""

    def __init__(self, reason: str, *, hint: str = "", code: int = 2) -> None:
        super().__init__(reason)
        self.hint = hint
        self.code = code
