"""Failures on order, for tests of what an application does when Greenflash does not answer as it should."""

from __future__ import annotations

import json

from greenflash_otel.emulator.faults import FaultReply, Faults, Hold


class GreenflashFaults(Faults):
    """The fixture `greenflash_faults`: it makes the capture, or the emulator, fail on order.

    greenflash_faults.reject("/events", 503, times=2)
    waiting = greenflash_faults.hang()                  # until waiting.release(), or until the test ends
    """

    def reject(
        self,
        path: str | None = None,
        status: int = 400,
        *,
        times: int = 1,
        message: str = "rejected on order",
    ) -> None:
        """Answer the next requests with an error; nothing of them is stored.

        Args:
            path: Only requests below it: ``/messages``, ``/events``, ``/ratings``, ``/users``, ``/organizations``.
            status: 429 and 5xx are tried again; 401 pauses delivery; 400 rejects for good, if anything was accepted
                before, and pauses else.
            times: So many requests.
            message: The reason that the answer names.
        """
        body = json.dumps({"success": False, "message": message}).encode()
        reply = FaultReply(status, {"content-type": "application/json"}, body)
        self.next(*[reply] * times, path=path)

    def hang(self, path: str | None = None) -> Hold:
        """Leave the next request without an answer until the returned `Hold` is released."""
        waiting = Hold()
        self.next(waiting, path=path)
        return waiting

    def clear(self) -> None:
        """Drop what has not happened yet, and release what hangs."""
        with self._lock:
            self._waiting.clear()
        self.release()
