"""The laws of the conversation model, from finished spans to what Greenflash holds in the end.

Applications are generated, with all that they do to a history. Their spans reach three processes in any
order, twice, and across restarts; what the emulator holds then is compared with what happened.
"""
