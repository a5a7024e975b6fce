"""The chat itself, pure: no Twisted, no SQL, no clock, no I/O."""
