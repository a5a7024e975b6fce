"""The chat: commands become durable entries, and each entry reaches its audience.
No sockets, no SQL.
"""
