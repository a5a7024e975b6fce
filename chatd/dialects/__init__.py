"""What a frame says: payloads to commands, answers and events to payloads.
No framing, no I/O, no connection state.
"""
