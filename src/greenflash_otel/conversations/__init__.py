"""From operations to messages: the conversation as its user lived it, each message once, linked.

    Operation ──▶ stitching ──▶ which conversation, and where in it the input begins
              ──▶ pieces    ──▶ its messages cut into what Greenflash calls a message
              ──▶ alignment ──▶ which of them are known, however the application shortened its history
              ──▶ thread    ──▶ each new piece with an id, a type and a parent
              ──▶ assemble  ──▶ ConversationUpdate: what is new, with times and properties

| piece       | Greenflash type                 | hashed into its id     | its parent                |
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
history hashes to the ids it had, and the same "yes" said twice stands in two places. What comes after a
response that is named by its id hashes that id instead, so that it is the same in every process. An operation
that comes before what it belongs to waits for it (`waiting`).

Everything here is pure but for `memory.Memory`, which is bounded; forgetting costs a repeat that Greenflash
skips, nothing else. It holds what is `known` of each conversation, `links` that lead to them, and what
is `waiting`. All of it can outlive the process as `notes`, plain values that others keep.
"""
