"""Business outcomes: what one is, and how a call with bad arguments still becomes one."""
