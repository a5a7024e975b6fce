"""The terminal client, ``chat``."""
