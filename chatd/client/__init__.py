"""The terminal client, on asyncio and Textual.
Nothing here is imported by the daemon.
"""
