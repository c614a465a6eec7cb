"""What `conversation()` returns to its block: the id of the conversation, and properties that come later.

A block may be entered before anybody knows its conversation, and its properties may become known while it runs. So the
context of a block is a fixed value plus what was added since. Blocks of one conversation share what is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from greenflash_otel.arguments import Properties, Repairs, read_properties, report
from greenflash_otel.errors import InvalidConversationError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import ConversationContext, Json, merge_properties

FindConversation = Callable[[str], "str | None"]
"""Returns the conversation that the calls of an unnamed block were recorded in; None if nobody knows one yet."""
SendProperties = Callable[[ConversationContext], None]
"""Sends the properties of a conversation whose last call may have been recorded without them."""


def _find_nothing(scope_id: str) -> None:
    return None


def _send_nothing(context: ConversationContext) -> None:
    return None


_find_conversation: FindConversation = _find_nothing
_send_properties: SendProperties = _send_nothing


def connect(find_conversation: FindConversation, send_properties: SendProperties) -> None:
    """Connect the blocks to what records, which is in a layer above."""
    global _find_conversation, _send_properties
    _find_conversation, _send_properties = find_conversation, send_properties


def make_conversation_id(scope_id: str) -> str:
    """Return the id of the conversation of an unnamed block, unless its calls are found to continue another."""
    return f"scope-{scope_id}"


class Additions:
    """What became known of a conversation after its block was entered. Takes no lock: any thread may add."""

    __slots__ = ("_ids", "_numbers", "is_read", "is_unsent", "properties", "version")

    def __init__(self) -> None:
        self._ids: list[str] = []
        """The first one counts, so that two threads read the same id."""
        self.is_read = False
        """Whether something may have been recorded in the block."""
        self.is_unsent = False
        """Whether properties were added that no block has sent at its end."""
        self.properties: dict[str, tuple[int, Json]] = {}
        """The values, each with the version that added it."""
        self._numbers = count(1)
        """The versions to come: no two threads get the same, so that none takes the other's for its own."""
        self.version = 0

    @property
    def conversation_id(self) -> str | None:
        """The id that an unnamed block was given, since somebody read it."""
        return self._ids[0] if self._ids else None

    def pin(self, scope_id: str) -> str:
        """Return the id of the conversation of an unnamed block. From now on it is the same."""
        if not self._ids:
            conversation_id = _find_conversation(scope_id) if self.is_read else None
            self._ids.append(conversation_id or make_conversation_id(scope_id))
        return self._ids[0]

    def add(self, properties: Mapping[str, Json]) -> None:
        """Add properties; of one name the later value counts."""
        earlier = {name: value for name, (_, value) in self.properties.copy().items()}
        merged, version = merge_properties(earlier, properties), next(self._numbers)
        self.properties.update({name: (version, merged[name]) for name in properties})
        self.version = next(self._numbers)  # a later one: whoever has read before this reads again
        self.is_unsent = True

    def list_since(self, version: int) -> dict[str, Json]:
        """Return the properties that were added after a version."""
        return {name: value for name, (at, value) in self.properties.copy().items() if at > version}


class Conversation:
    """The conversation of a block: its id, and properties that you add while it runs.

        with greenflash.conversation(user_id="ada") as chat:
            chat.set_properties(channel="web")
            save(chat.conversation_id)

    It may be used on any thread, and after the block.
    """

    __slots__ = ("_added", "_cached", "_context", "_version")

    def __init__(self, context: ConversationContext, added: Additions | None = None) -> None:
        self._context = context
        self._added = added or Additions()
        self._version = self._added.version
        self._cached: tuple[int, str | None, ConversationContext] | None = None

    @property
    def conversation_id(self) -> str:
        """The id of the conversation: always a text that you can store, and pass as ``conversation_id`` later.

        It is the one that you passed, else that of the enclosing block. A block without any is given an id when you
        read it before the first call. Read after a call, it is that of the conversation which the call continues; to
        find that takes at most a second. Once read it never changes.
        """
        named = self.find_context().conversation_id
        if named is not None:
            return named
        return self._added.pin(self._context.scope_id) if self._context.scope_id else ""

    @property
    def user_id(self) -> str | None:
        """The user of the conversation; None if nobody named one."""
        return self._context.user_id

    @property
    def organization_id(self) -> str | None:
        """The organization of the user; None if nobody named one."""
        return self._context.organization_id

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties that the block has by now, as JSON."""
        return dict(self.find_context().properties)

    def set_properties(self, properties: Properties | None = None, /, **named: Any) -> None:
        """Add properties to the conversation, at any time; of one name the later value counts.

        ``chat.set_properties(channel="web")``. The next call of the conversation carries them. If there is none, they
        reach Greenflash when the block ends.

        Args:
            properties: The same as a dict, for names that are no keywords.

        Raises:
            InvalidConversationError: Only with the setting ``strict``: a value is no JSON and cannot become any.
        """
        repairs, own_properties = Repairs(), dict[str, Json]()
        with guarded("read the arguments of set_properties()"):
            own_properties = read_properties(properties, repairs)
            own_properties = repairs.add_original({**own_properties, **read_properties(named, repairs)})
        report("set_properties()", repairs, InvalidConversationError)
        if own_properties:
            self._added.add(own_properties)

    def find_context(self) -> ConversationContext:
        """Return what the block says of the conversation by now."""
        version, pinned = self._added.version, self._added.conversation_id
        if version == self._version and (pinned is None or self._context.conversation_id is not None):
            return self._context
        if self._cached is None or self._cached[:2] != (version, pinned):
            properties = merge_properties(self._context.properties, self._added.list_since(self._version))
            id = self._context.conversation_id or pinned
            context = replace(self._context, conversation_id=id, properties=properties)
            self._cached = (version, pinned, context)
        return self._cached[2]

    def read_context(self) -> ConversationContext:
        """Return the same, for something that is recorded in the block."""
        self._added.is_read = True
        return self.find_context()

    def nest(self, context: ConversationContext) -> Conversation:
        """Return the conversation of a block in this one; what is added to one of two equal ones is added to both."""
        outer = self.find_context()
        if context.conversation_id is None:
            is_same = context.scope_id is not None and context.scope_id == outer.scope_id
        else:
            is_same = context.conversation_id == outer.conversation_id
        return Conversation(context, self._added if is_same else None)

    def shares_with(self, other: Conversation) -> bool:
        """Return whether both are of the same conversation."""
        return self._added is other._added

    def send_properties(self) -> None:
        """Send what was added, at the end of the outermost block: no call may follow that carries it."""
        if self._added.is_unsent:
            self._added.is_unsent = False
            with guarded("send the properties of a conversation"):
                _send_properties(self.find_context())
