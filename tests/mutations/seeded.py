"""The mistakes: a module of the conversation model, what stands there, and what is put in its place."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One mistake."""

    module: str
    right: str
    """Stands there once."""
    wrong: str


MUTATIONS: dict[str, Mutation] = {
    "an id forgets what comes before": Mutation(
        "identity", "[namespace, before, role, canonical]", "[namespace, role, canonical]"
    ),
    "an id forgets the conversation": Mutation(
        "identity", "[namespace, before, role, canonical]", "[before, role, canonical]"
    ),
    "white space at the end makes another message": Mutation(
        "identity",
        "part.content.rstrip() for part in parts if isinstance(part, Text)).rstrip()",
        "part.content for part in parts if isinstance(part, Text))",
    ),
    "a key changes nothing": Mutation("identity", "    if not key:\n", "    if True:\n"),
    "a user message has no parent": Mutation(
        "thread",
        'type, parent_id = "user_message", position.visible',
        'type, parent_id = "user_message", None',
    ),
    "a tool call hangs on nothing": Mutation("thread", "caller or position.requested or parent_id", "caller"),
    "a result hangs on the user message": Mutation(
        "thread", "id, parent_id = result_id(namespace, call), call", "id = result_id(namespace, call)"
    ),
    "the oldest call takes the result": Mutation("thread", "in reversed(self.calls)", "in self.calls"),
    "no answer is final": Mutation(
        "thread", '"final_response" if position.agentic and piece.ends_message', '"final_response" if False'
    ),
    "an error is an observation": Mutation(
        "thread", '"tool_error" if piece.failed else "observation"', '"observation"'
    ),
    "a turn never begins": Mutation(
        "thread",
        "after = Position(tip=id, visible=id, asked=id)",
        "after = replace(position, tip=id, visible=id)",
    ),
    "a system message ends the chain": Mutation(
        "pieces",
        "if message.role in SYSTEM_ROLES:\n        return tuple(_visible",
        "if False:\n        return tuple(_visible",
    ),
    "reasoning counts as content": Mutation(
        "pieces", "hidden = (Reasoning, ToolCall,", "hidden = (ToolCall,"
    ),
    "a provider's call is part of the chain": Mutation(
        "thread", "tip=position.tip if piece.by_provider else id", "tip=id"
    ),
    "users with the same words are one": Mutation(
        "stitching", "history of {operation.affiliation.user_id or ''}", "history"
    ),
    "chats with the same words are one": Mutation(
        "stitching",
        "memory.histories.remember(sign, None if shared else stitched.conversation_id)",
        "memory.histories.remember(sign, stitched.conversation_id)",
    ),
    "a response leads nowhere": Mutation(
        "stitching",
        "elif previous and (found := memory.responses.get(previous)):",
        "elif False and (found := memory.responses.get(previous or '')):",
    ),
    "stored items are unknown": Mutation("stitching", "link = memory.items.get(name)", "link = None"),
    "a place after a response depends on the history": Mutation(
        "stitching", "return replace(place, tip=tip)", "return place"
    ),
    "a known message is told again": Mutation(
        "assemble",
        "        if item.id not in known.sent:\n            known.sent",
        "        if True:\n            known.sent",
    ),
    "time stands still": Mutation("memory", "max(at_ms, self.last_ms + 1)", "at_ms"),
    "equal alternatives are one": Mutation("assemble", "        if ids & seen:", "        if False:"),
    "a fetched answer is told each time": Mutation(
        "assemble", "return bool(final) and operation.response_id not in memory.told", "return bool(final)"
    ),
    "an unfinished answer is an answer": Mutation(
        "assemble",
        '    if operation.ending == "pending":\n        return (), asked',
        "    if False:\n        return (), asked",
    ),
    "what waits is dropped": Mutation("waiting", "[*held, (span, operation)][-EACH:]", "[]"),
    "what waits is never told": Mutation(
        "assemble", "    for held in release(memory, call_ids):", "    for held in release(memory, []):"
    ),
    "nothing is overdue": Mutation("waiting", "in_time = now_ns is not None and", "in_time = True or"),
    "a window is another conversation": Mutation(
        "alignment",
        "for first in known.that_say(_key(links[skipped])) if len(links) > skipped else ():",
        "for first in ():",
    ),
    "a tidied answer is another": Mutation("alignment", "    return polished\n", "    return None\n"),
    "every answer is a tidied one": Mutation("alignment", "ALIKE = 0.6", "ALIKE = -1.0"),
    "a summary is said by the user": Mutation("alignment", "links[0] if skipped else None", "None"),
    "left-out tools end the history": Mutation(
        "alignment", "            ahead += known.after(one)", "            pass"
    ),
    "who sends no history starts anew": Mutation(
        "alignment", "known.resends or not known.nodes else known.latest", "True else known.latest"
    ),
    "the memory forgets the newest": Mutation(
        "memory", "self.popitem(last=False)", "self.popitem(last=True)"
    ),
    "nothing is beside the main line": Mutation(
        "sidelines", "    if other and _quotes(known, messages):", "    if False:"
    ),
    "JSON is never beside it": Mutation("sidelines", "    if not other:", "    if True:"),
    "JSON is always beside it": Mutation("sidelines", "    if not other:", "    if False:"),
    "a span cannot name the end of what was aligned": Mutation(
        "assemble", "        known.positions.remember(tip, after)", "        pass"
    ),
    "nothing beside waits for its question": Mutation(
        "sidelines", '"early" if _comes_first(known, messages) else "beside"', '"beside"'
    ),
    "what was in doubt was beside": Mutation(
        "sidelines", "    return not goes_on and _newest(asked) == _newest(messages)", "    return True"
    ),
    "what was in doubt was not beside": Mutation(
        "sidelines", "    return not goes_on and _newest(asked) == _newest(messages)", "    return False"
    ),
}
