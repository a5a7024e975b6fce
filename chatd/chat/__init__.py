"""The chat: it turns commands into durable log entries and sends each entry to its audience.

It uses neither sockets nor SQL.
"""
