"""The golden file: every request body that known spans become, compared in every test run.

`make golden` renews it. Read what that changes before you commit it: each changed line is a message that
Greenflash would get otherwise than before.

- `sources` says where the spans come from, `capture` makes those of our own instrumentations repeatable.
- `conversion` is the only module here that knows how the library turns spans into requests.
- `store` writes what was found as text that a person can compare.
"""
