"""The terminal chat client, built on asyncio and Textual. The daemon imports no module of this package."""
