"""The store: a journal that writes the log and an archive that reads it, on adbapi over sqlite3 or psycopg.

The store knows no chat rules. It raises errors of its own, never one of SQLite or PostgreSQL.
"""
