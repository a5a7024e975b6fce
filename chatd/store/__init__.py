"""The journal and the queries, over one SQLite file."""
