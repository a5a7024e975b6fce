"""How frames travel, both ways: cut what comes in, wrap what goes out, detect what a client speaks.
No meaning: what a frame says is the dialect's business.
"""
