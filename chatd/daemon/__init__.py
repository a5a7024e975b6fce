"""The daemon as a process: configuration, listeners, TLS certificates, logs, start and stop. The rules of the
chat are elsewhere, in ``chatd.core``.
"""
