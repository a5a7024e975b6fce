"""The web: HTTP connections, the page and its files, and the opening handshake of a WebSocket. What a client
says on a WebSocket is the business of its dialect; nothing of the chat is here.
"""
