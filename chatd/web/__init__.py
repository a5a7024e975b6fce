"""The HTTP side of the daemon: connections, the web page and its files, and the opening handshake of
WebSockets.

This package does not decode chat messages; the dialects do.
"""
