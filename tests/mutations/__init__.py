"""Seeded mistakes in the conversation model, each of which its tests must notice: `make mutations`."""
