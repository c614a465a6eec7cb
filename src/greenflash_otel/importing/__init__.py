"""Read files of other forms than OTLP, one module for each: conversations, batches, training files, outcomes.

A file becomes operations and outcomes, and these go the way of everything else: the conversation model gives the
messages their ids. So a file that is imported again says what it said before, and Greenflash skips what it has.
"""
