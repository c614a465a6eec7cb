"""Make text visible that strangers wrote, before it is printed."""


def escape_controls(text: str) -> str:
    """Return a text on one line, with control characters escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
