"""What conversion may cost, counted: calls, encodings, hashes, objects and bytes. Times differ by machine."""
