"""The encodings of messages: a dialect decodes a client's payloads to requests, and encodes answers and
deliveries as payloads. Dialects contain no framing, no I/O and no connection state.
"""
