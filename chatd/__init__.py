"""chatd: a chat daemon in which every wire joins one conversation."""

__version__ = "0.1.0"
