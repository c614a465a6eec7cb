"""One emulator for many tests: each gets it empty, and it is replaced where a test has stopped it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from greenflash_otel.emulator.faults import Faults
from greenflash_otel.emulator.server import Emulator


class EmulatorPool:
    """Has at most one server that runs."""

    def __init__(self) -> None:
        self._idle: Emulator | None = None
        self.started = 0
        """How many servers were started so far."""

    @contextmanager
    def lend(self, faults: Faults) -> Iterator[Emulator]:
        """Lend an empty emulator that fails on order of these faults."""
        emulator, self._idle = self._idle, None
        if emulator is None:
            emulator = Emulator().start()
            self.started += 1
        else:
            emulator.clear()
        emulator.faults = faults
        try:
            yield emulator
        finally:
            faults.release()
            if emulator.is_running:
                self._idle = emulator

    def __enter__(self) -> EmulatorPool:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._idle is not None:
            self._idle.stop()
