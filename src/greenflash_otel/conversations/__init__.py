"""From operations to messages: the conversation as its user lived it, each message once, linked.

    Operation ──▶ prepare   ──▶ its system prompt; its messages, split into fragments once
              ──▶ resolve   ──▶ which conversation, and where in it the input begins
              ──▶ auxiliary ──▶ which role the call plays for the user
              ──▶ deferred  ──▶ whether it waits for what it depends on, or else
              ──▶ align     ──▶ which messages are known, however the application changed its history
              ──▶ build     ──▶ Changes: new messages with id, type, parent and time, and what becomes known
    Changes   ──▶ store     ──▶ applied by the only writer, persisted, rolled back

`assemble` is the function that has this order. All steps are pure. ``docs/conversation-model.md`` has a
worked example and the invariants.

| fragment    | Greenflash type                 | hashed into its id     | its parent                |
|-------------|---------------------------------|------------------------|---------------------------|
| user        | user_message                    | the id before, content | the last visible message  |
| answer      | assistant_message; where it     | the id before, content | the user message of the   |
|             | ends a turn that used tools,    |                        | turn                      |
|             | final_response                  |                        |                           |
| tool_call   | tool_call                       | the id before, content | the call that made it, or |
|             |                                 |                        | the answer it came with,  |
|             |                                 |                        | else the user message     |
| tool_result | observation, tool_error         | the id of its call     | its call                  |
| thought     | thought                         | the id before, content | the user message          |
| system      | first: systemPrompt of the      | the id before, content | the last visible message  |
|             | request; later: system_message  |                        |                           |
| (none)      | llm, embedding, callback: what  | the span               | the tool call it was made |
|             | the user never saw, or a call   |                        | in, else the user message |
|             | without an answer               |                        |                           |

An id is a hash over the conversation, the id before it and the content, as git commits are: a resent
history hashes to the ids it had, and the same "yes" said twice has two ids. What comes after a response that
is named by its id hashes that id instead, so that it is the same in every process.

Everything the store remembers is bounded; forgetting costs a repeat that Greenflash skips, nothing else. All
of it can outlive the process as `StateRecord` values.
"""
