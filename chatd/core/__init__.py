"""The rules of the chat as pure functions and values: names, commands, rules, state, answers and refusals.

This package uses no Twisted, no SQL, no clock and no I/O.
"""
