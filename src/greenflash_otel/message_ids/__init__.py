"""Ids of messages, shared by capture and the conversation model."""
