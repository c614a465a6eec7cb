"""The twenty nastiest things that applications do with the SDK, one test each, named after the case.

| case | where |
|---|---|
| 1 to 4, 10: answers that are left, dropped, resumed, cancelled | `test_leaving` |
| 5, 9, 20: odd arguments, odd answers, what fails after it was paid for | `test_oddities` |
| 6 to 8: raw and streaming responses | `test_raw` |
| 11 to 15: items of the Responses API, choices, histories | `test_items` |
| 16 to 18: every client once, LangChain and the Agents SDK on top, tool runners | `test_on_top` |
| 19: lanes of a WebSocket | `websocket.test_responses` |
"""
