"""Remember what Greenflash answered, for `lookup()`, and pass it to the callback ``on_delivered``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.answered_ids import (
    AnsweredId,
    DeliveredConversation,
    combine,
    read_answered_ids,
)
from greenflash_otel.delivery.callback_thread import CallbackThread
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.lru import ByteBoundLruDict

OnDelivered = Callable[[DeliveredConversation], object]
CONVERSATIONS: Final = 10_000
MEMORY_BYTES: Final = 4 * 1024 * 1024
"""Of the ids that are remembered in memory, where there is no folder."""
ID_BYTES: Final = 400
"""What one id takes, roughly."""


class AnsweredNotes:
    """What Greenflash answered: on disk to all processes of the folder, without one in memory to this process.

    Any thread may come here. What was answered is written by the writer's thread, many answers at once.
    """

    def __init__(self, outbox: Outbox, on_delivered: OnDelivered | None = None) -> None:
        self._outbox = outbox
        self._begin()
        self._remembered: ByteBoundLruDict[str, tuple[AnsweredId, ...]] = ByteBoundLruDict(
            CONVERSATIONS, MEMORY_BYTES, lambda id, ids: len(ids) * ID_BYTES
        )
        self._callback = CallbackThread(on_delivered, "on_delivered") if on_delivered else None
        fork_hooks.watch(self)

    def _begin(self) -> None:
        self._unwritten: deque[AnsweredId] = deque()
        self._is_writing = False

    def note(self, request: ApiRequest, answer: Answer) -> None:
        """Note what Greenflash answered to a request. Waits for nothing."""
        with internal_errors.guarded("note what Greenflash answered"):
            ids = read_answered_ids(request, answer)
            if not ids:
                return
            self._unwritten.extend(ids)
            if not self._is_writing:
                self._is_writing = True
                self._outbox.run_later(self._write)
            if self._callback is not None:
                self._callback.submit(combine(request.conversation_id, ids))

    def find(self, conversation_id: str, timeout_s: float) -> DeliveredConversation | None:
        """Return what Greenflash answered about a conversation; None if nothing is known."""
        self._outbox.run_later(self._write).wait(timeout_s)
        ids = self._outbox.list_answered(conversation_id, timeout_s)
        ids = ids or list(self._remembered.get(conversation_id, ()))
        return combine(conversation_id, ids) if ids else None

    def finish(self, timeout_s: float) -> None:
        """Wait a moment for the callback to see the last answers."""
        if self._callback is not None:
            self._callback.finish(timeout_s)

    def prepare_fork(self) -> None:
        """Do nothing: the writer pauses, see `fork_hooks`."""

    def resume_after_fork(self, *, in_child: bool) -> None:
        """Begin again in the child: what waits is the parent's, and so is the thread of the callback."""
        if in_child:
            self._begin()
            if self._callback is not None:
                self._callback.begin()

    def _write(self) -> None:
        """Write what was not written yet, on the writer's thread."""
        self._is_writing = False
        ids = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
        if not ids or self._outbox.note_answered_here(ids):
            return
        for answered_id in ids:
            earlier = self._remembered.get(answered_id.conversation_id, ())
            self._remembered.remember(answered_id.conversation_id, (*earlier, answered_id))
