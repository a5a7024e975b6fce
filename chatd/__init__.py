"""chatd: a chat daemon whose clients share one conversation, whichever protocol each client speaks."""

__version__ = "0.1.0"
