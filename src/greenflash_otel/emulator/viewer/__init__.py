"""Pages for people: what the emulator has, as its users saw it. Read from the store, rendered on the server.

``rows`` and ``lists`` ask the store, ``conversation`` makes turns, steps and branches of stored values, ``rendering``
writes them as HTML, and ``routes`` is the web around that. No page needs a script, and none asks another host.
"""
