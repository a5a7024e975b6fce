-- Whom a user ignores, and, with `ignored` 0, no longer ignores.
CREATE TABLE ignores (
    user     INTEGER NOT NULL REFERENCES users (id),
    other    INTEGER NOT NULL REFERENCES users (id),
    ignored  INTEGER NOT NULL,
    PRIMARY KEY (user, other)
) STRICT;
