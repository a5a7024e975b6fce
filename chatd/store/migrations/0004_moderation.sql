-- The acts of server operators, in order. Times are in milliseconds since 1970, UTC; no `until` means without end.
CREATE TABLE moderation (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    operator  INTEGER NOT NULL REFERENCES users (id),
    kind      TEXT    NOT NULL,
    target    TEXT    NOT NULL,
    until     INTEGER,
    reason    TEXT    NOT NULL
) STRICT;
