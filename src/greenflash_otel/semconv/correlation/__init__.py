"""Combine spans of one trace."""
