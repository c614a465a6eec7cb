"""The twenty nastiest things that happen with LangChain and LangGraph, one test each, named after the case.

| case | where |
|---|---|
| 1 to 5: calls that end late, elsewhere, or never | `test_calls` |
| 6 to 9: interrupts, people in the loop, tools that nobody has | `test_interrupts` |
| 10 to 13: ids used again, hand-offs, agents within agents, summaries | `test_agents` |
| 14 to 17: histories, caches, fallbacks, two instrumentations at once | `test_calls` |
| 18 to 20: time travel, many at once, long threads with large contents | `test_threads` |
"""
