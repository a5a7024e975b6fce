"""Client connections: the session and the outbox of each client, and the limits on connections.

The package contains no framing and no wire formats.
"""
