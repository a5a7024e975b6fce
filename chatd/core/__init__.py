"""The chat itself, pure: names, commands, rules, state, answers, refusals.
No Twisted, no SQL, no clock, no I/O.
"""
