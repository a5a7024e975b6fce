"""The daemon as a process: configuration, wiring, logs, start and stop.
No chat rules.
"""
