"""The JSON wire as both ends know it: where a value ends, and what its objects hold.
No I/O; the daemon and the client share it.
"""
