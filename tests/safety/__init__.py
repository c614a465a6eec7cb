"""Attacks that come from ordinary use: other files, other accounts, signals, exits, and a slow redaction."""
