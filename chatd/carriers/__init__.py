"""The framing of the daemon's connections: cut incoming bytes into frames, wrap outgoing payloads, and detect
which protocol a client speaks. The content of a frame is left to the dialects.
"""
