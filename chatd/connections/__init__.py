"""Client connections: a session for each, its outbox, and the limits they share.
No framing and no wire formats.
"""
