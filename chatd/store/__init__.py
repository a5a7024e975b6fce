"""The journal (writes) and the archive (reads), on twisted.enterprise.adbapi over sqlite3.
No chat rules; errors leave as the store's own.
"""
