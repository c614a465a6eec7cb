"""Greenflash's public API: what its requests look like (pure) and the one client that sends them."""
