"""Distinguish refusals of single items from trouble that meets every item. Pure.

Greenflash refuses a bad item with a reason. A wrong product id, a key of another account, or a proxy that
writes JSON gets the same refusal for everything. Then nothing may be rejected: what was refused must wait.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

ALIKE: Final = 5
"""So many different conversations in a row with the same refusal: it is not about them."""
WORDS: Final = 12
"""Of a reason are compared; what follows them often quotes the item."""
ID_CHARACTERS: Final = 4
"""A shorter id may be a word of the reason."""
MAX_ENTRIES: Final = 10_000
"""Refused entries that are remembered, so that they can be restored."""
MAX_SUSPECTED: Final = 10_000
"""Conversations that are remembered to have been restored."""

_QUOTED: Final = re.compile(r"""\"[^"]*(?:"|$)|“[^”]*(?:”|$)|`[^`]*(?:`|$)|(?<!\w)'[^']*(?:'(?!\w)|$)""")
_HEX: Final = re.compile(r"\b(?=[0-9a-f-]*[0-9])[0-9a-f]{4}[0-9a-f-]{4,}\b")
_NUMBER: Final = re.compile(r"[0-9]+")

EntryT = TypeVar("EntryT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class SuspectRefusals(Generic[EntryT]):
    """Refusals that are not about their items: restore the entries, and pause delivery."""

    entries: tuple[EntryT, ...]
    """Those to be made pending again, in the order in which they were refused."""
    reason: str
    """For the pause."""
    summary: str
    """The same without the words of the answer, which can quote content: for the log."""


class RefusalStreak(Generic[EntryT]):
    """What one destination refused since it last accepted something.

    Inform it of each verdict, in the order in which the verdicts are acted on::

        case Delivered():
            streak.note_accepted()
        case Rejected(reason):
            reject(entry)
            if suspect := streak.note_rejected(conversation_id, entry.id, reason, waiting=...):
                restore(suspect.entries)
                pause(suspect.reason, pause_delay_s(pauses))

    Args:
        has_accepted: Whether the destination ever accepted anything, in this process or an earlier one.
    """

    def __init__(self, *, has_accepted: bool = False) -> None:
        self._has_accepted = has_accepted
        self._refused: deque[EntryT] = deque(maxlen=MAX_ENTRIES)
        """Entries that were refused in a row; while nothing was ever accepted, all of them."""
        self._conversations: dict[Hashable, None] = {}
        """Theirs, of the refusals of one kind that came last."""
        self._kind: str | None = None
        """Of the last refusal."""
        self._suspect_kind: str | None = None
        """Of the refusals for which delivery pauses; None while it does not."""
        self._suspected: dict[Hashable, str] = {}
        """Conversations whose entries were restored, with the kind of their refusal."""
        self._was_accepted_since = False
        """Whether the destination accepted something after entries were restored."""

    @property
    def has_accepted(self) -> bool:
        """Whether the destination ever accepted anything."""
        return self._has_accepted

    def note_accepted(self) -> None:
        """Note that the destination accepted something: refusals before this were about their items."""
        self._has_accepted = self._was_accepted_since = True
        self._suspect_kind = None
        self._forget()

    def note_rejected(
        self, conversation_id: str, entry: EntryT, reason: str, *, waiting: int
    ) -> SuspectRefusals[EntryT] | None:
        """Note that an entry was refused; return what is to be restored, if that is not about the items.

        Args:
            conversation_id: Empty for an entry that belongs to none; it counts as a separate conversation.
            entry: What names the entry to the code that restores it; the same after it was restored.
            reason: As the verdict has it.
            waiting: How many entries still wait at the destination: those under way too, this one not.
        """
        conversation: Hashable = conversation_id or entry
        kind = kind_of_refusal(reason, conversation_id)
        if self._was_accepted_since and self._suspected.get(conversation) == kind:
            del self._suspected[conversation]
            return None  # refused again, and others were accepted between: this one is about the item
        if kind != self._kind:
            self._conversations.clear()
            if self._has_accepted:
                self._refused.clear()
        self._kind = kind
        self._refused.append(entry)
        self._conversations[conversation] = None
        if self._is_suspect(kind, waiting):
            return self._restore(kind, reason)
        self._suspect_kind = None
        return None

    def _is_suspect(self, kind: str, waiting: int) -> bool:
        if kind == self._suspect_kind or len(self._conversations) >= ALIKE:
            return True
        return not self._has_accepted and (waiting == 0 or self._suspect_kind is not None)

    def _restore(self, kind: str, reason: str) -> SuspectRefusals[EntryT]:
        for conversation in self._conversations:
            self._suspected[conversation] = kind
        while len(self._suspected) > MAX_SUSPECTED:
            del self._suspected[next(iter(self._suspected))]
        number = len(self._conversations)
        many = f" (the same for {number} conversations)" if number > 1 else ""
        summary = f"{reason.partition(':')[0]}{many}; stats() has the words of the answer"
        suspect = SuspectRefusals(tuple(self._refused), reason + many, summary)
        self._suspect_kind, self._was_accepted_since = kind, False
        self._forget()
        return suspect

    def _forget(self) -> None:
        self._refused.clear()
        self._conversations.clear()
        self._kind = None


def kind_of_refusal(reason: str, conversation_id: str = "") -> str:
    """Return what refusals for one cause have in common: status and first words, without ids and quotes."""
    text = reason
    if len(conversation_id) >= ID_CHARACTERS:
        text = re.sub(rf"(?<!\w){re.escape(conversation_id)}(?!\w)", "#", text)
    text = _QUOTED.sub("#", text.lower())
    text = _NUMBER.sub("#", _HEX.sub("#", text))
    status = reason.partition(":")[0]
    return " ".join([status, *text.split()[:WORDS]])
