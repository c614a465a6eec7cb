"""Seeded mistakes in the conversation model and in delivery, which tests must notice: `make mutations`."""
