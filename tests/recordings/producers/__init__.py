"""One file for each producer."""
