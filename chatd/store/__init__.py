"""The store: a journal that writes the log and an archive that reads it, on adbapi over sqlite3.

No chat rules. The store raises errors of its own, never an ``sqlite3.Error``.
"""
