"""Find the known call that a call of a provider's tool is, where a history resends it in another form. Pure.

| a resent call                                     | is                                         |
|---------------------------------------------------|--------------------------------------------|
| with the id of a known call of its turn           | that call, whatever it says                |
| without an id, or with another one, that says     | that call                                  |
| what a known call of its turn says                |                                            |

Such a call is no link, so no chain of ids recognizes it. Applications leave its id out, for the provider stores
nothing under it, and its status, which says nothing of a search that is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greenflash_otel.conversations.changes import MessageNode
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import ChainedFragment, Cursor
from greenflash_otel.message_ids.fragments import Fragment
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import Json

DONE: Mapping[str, Json] = {"status": "completed"}
"""What a call of a provider's tool says of itself when it is over."""


def find_known_call(
    state: ConversationState, appended: ChainedFragment, known_nodes: Sequence[MessageNode | None]
) -> str | None:
    """Find the known call of a provider's tool that comes back in another form; None if it is as it was.

    The known link after it has the calls of its turn, else the end of the branch has. Some providers use the same
    ids in every turn.
    """
    if not appended.fragment.by_provider or appended.id in state.emitted_ids:
        return None
    following = known_nodes[0] if known_nodes else None
    if following is not None and following.kind != "user":
        after: Cursor | None = following.cursor
    else:
        after = state.branch_cursors.get(appended.previous_id or "")
    if after is None:
        return None
    return after.find_call(appended.fragment.call_id) or _find_alike(state.namespace, appended, after)


def _find_alike(namespace: str, appended: ChainedFragment, after: Cursor) -> str | None:
    """Find the call of a turn that says the same under another id: with that id, the call hashes to its message."""
    for call_id, message_id in after.calls:
        for canonical in _list_forms(appended.fragment, call_id):
            if id_of(namespace, appended.previous_id, "tool_call", canonical) == message_id:
                return message_id
    return None


def _list_forms(fragment: Fragment, call_id: str) -> Iterator[Json]:
    """Yield what a call says with another id, which it may have as a field, too."""
    fields = {name: value for name, value in fragment.data.items() if name != "id"}
    for fields_of_call in (fields, {**DONE, **fields}):
        yield [fragment.tool_name, fields_of_call, call_id]
        yield [fragment.tool_name, {**fields_of_call, "id": call_id}, call_id]
