-- The tokens with which programs of registered users log in: SHA-256 digests, never the secrets. `conversations` has
-- the ids of those that a token is limited to, separated by spaces; it is NULL for all. Times are in milliseconds
-- since 1970, UTC; no `expires` means without end. A new password deletes the tokens of its user.
-- The ids are in the order in which they were made.
CREATE TABLE tokens (
    id             INTEGER PRIMARY KEY,
    digest         TEXT    NOT NULL UNIQUE,
    user           INTEGER NOT NULL REFERENCES users (id),
    name           TEXT    NOT NULL,
    access         TEXT    NOT NULL,
    conversations  TEXT,
    made           INTEGER NOT NULL,
    expires        INTEGER
) STRICT;

CREATE INDEX tokens_of_user ON tokens (user);
