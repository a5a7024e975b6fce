"""The store: a journal that writes the log and an archive that reads it, on adbapi over sqlite3.

The store knows no chat rules. It raises errors of its own, never an ``sqlite3.Error``.
"""
