"""The JSON wire, shared by the daemon and the terminal client: the scanner that finds where a JSON value
ends, and the objects that are sent. No I/O.
"""
