"""Turns captured spans into API requests: log correlation, redaction, sampling."""
