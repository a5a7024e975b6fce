"""The marker for sentences to translate.

chatd's own sentences are English. Clients and dialects translate them when they show them.
"""

from __future__ import annotations


def N_(sentence: str) -> str:  # noqa: N802  # the name that gettext's tools look for
    """Return ``sentence`` unchanged. The call marks it for extraction into the translation catalogues."""
    return sentence
