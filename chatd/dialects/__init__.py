"""What a frame says: bytes of one wire to commands, and answers, refusals and events to bytes."""
