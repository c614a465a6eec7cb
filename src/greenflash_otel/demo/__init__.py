"""The demo: real clients, recorded answers, a local Greenflash. Needs no account and no network."""
