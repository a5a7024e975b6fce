"""How frames travel: what cuts a stream of bytes into what the dialects read."""
