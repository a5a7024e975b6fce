"""Sentences are English here; whoever shows them to a person may have them in another language."""

from __future__ import annotations


def N_(sentence: str) -> str:  # noqa: N802  # the name that gettext's tools look for
    """Mark ``sentence`` for translation where it is shown; here it stays as it is."""
    return sentence
