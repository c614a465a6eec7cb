"""Every surface in every way of calling, sync and async: what `docs/openai-surfaces.md` is made from.

`calls` says what is called, `test_calls` calls it, and `page` makes the page from what passed.
"""
