"""The core's sentences are English. A client or a dialect may translate them where it shows them."""

from __future__ import annotations


def N_(sentence: str) -> str:  # noqa: N802  # the name that gettext's tools look for
    """``sentence`` unchanged: marks it for the catalogues, and for translation where it is shown."""
    return sentence
