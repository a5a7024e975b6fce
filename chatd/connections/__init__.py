"""Client connections: the session and the outbox of each client, and the limits on connections.

No framing and no wire formats.
"""
