"""Mistakes in what instrumentations record of calls, results, reports of validators, and citations."""

from __future__ import annotations

from tests.mutations.seeded import Mutation

MUTATIONS: dict[str, Mutation] = {
    "a validator speaks for the user": Mutation(
        "message_ids/validation_reports", "    if not hidden:\n", "    if True:\n"
    ),
    "an error message that somebody pastes is a report": Mutation(
        "message_ids/validation_reports",
        "        return False\n    if any(_has_words",
        "        return True\n    if any(_has_words",
    ),
    "a value of another answer makes a report": Mutation(
        "message_ids/validation_reports",
        "bool(words) and all(word in written for word in words)",
        "bool(words)",
    ),
    "a report comes without the answer that it is about": Mutation(
        "instrumentation/history", " or may_be_report(rest[0])", ""
    ),
    "a call that was edited is not recorded": Mutation(
        "instrumentation/langchain/edited_calls",
        "    if not isinstance(ran, Mapping) or not isinstance(arguments, Mapping):\n",
        "    if True:\n",
    ),
    "every call that ran was edited": Mutation(
        "instrumentation/langchain/edited_calls", "    if all(name in ran", "    if not all(name in ran"
    ),
    "what a call asked for changes later": Mutation(
        "instrumentation/langchain/message_forms",
        '        was["tool_calls"] = [*calls]\n',
        "        pass\n",
    ),
    "every attempt is a call": Mutation(
        "instrumentation/langchain/turn_notes",
        "    if not is_first and not any(tag.startswith(ATTEMPT) for tag in tags):\n",
        "    if True:\n",
    ),
    "citations make another message": Mutation(
        "message_ids/fragments",
        "            content.rstrip(),\n            content,\n",
        "            [content.rstrip(), list(text.annotations)],\n            content,\n",
    ),
    "citations are not redacted": Mutation(
        "redaction/operations", "if isinstance(part, Text) and part.annotations:", "if False:"
    ),
}
