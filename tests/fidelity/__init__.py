"""How true the conversations are that arrive: `make fidelity` writes the table of `docs/fidelity.md`.

Scripted applications talk through real clients to scripted providers; what arrives is compared with what
happened, message by message.
"""
