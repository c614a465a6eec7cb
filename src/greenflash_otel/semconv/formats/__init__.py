"""How messages are written as JSON, whoever writes it."""
