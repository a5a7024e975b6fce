-- The passwords of registered users: argon2id strings, or nothing for an account that is closed.
CREATE TABLE credentials (
    user  INTEGER PRIMARY KEY REFERENCES users (id),
    hash  TEXT    NOT NULL
) STRICT;
