"""From operations to messages: the conversation as its user lived it, each message once, linked.

    Operation ──▶ stitching ──▶ which conversation, and where in it the input begins
              ──▶ pieces    ──▶ its messages cut into what Greenflash calls a message
              ──▶ thread    ──▶ each piece with an id, a type and a parent
              ──▶ assemble  ──▶ ConversationUpdate: what is new, with times and properties

| piece       | Greenflash type                 | hashed into its id     | its parent                |
|-------------|---------------------------------|------------------------|---------------------------|
| user        | user_message                    | the id before, content | the last visible message  |
| answer      | assistant_message; where it     | the id before, content | the user message of the   |
|             | ends a turn that used tools,    |                        | turn                      |
|             | final_response                  |                        |                           |
| tool_call   | tool_call                       | the id before, content | the answer it came with,  |
|             |                                 |                        | else the user message     |
| tool_result | observation, tool_error         | the id of its call     | its call                  |
| thought     | thought                         | the id before, content | the user message          |
| system      | first: systemPrompt of the      | the id before, content | the last visible message  |
|             | request; later: system_message  |                        |                           |
| (none)      | llm: a call the user never saw, | the span               | the user message          |
|             | or one without an answer        |                        |                           |

An id is a hash over the conversation, the id before it and the content, as git commits are: a resent
history hashes to the ids it had, and the same "yes" said twice stands in two places. Everything here is
pure but for `memory.Memory`, which is bounded; forgetting costs a repeat that Greenflash skips, nothing else.
"""
