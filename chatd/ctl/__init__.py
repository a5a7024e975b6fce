"""``chatctl``, the command with which the administrator of the machine runs a daemon: see SPEC.md, chapter
"The control socket".
"""
