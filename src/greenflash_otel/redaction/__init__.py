"""What may leave: redaction functions and presets."""
