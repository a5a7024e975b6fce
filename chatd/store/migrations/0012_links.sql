-- The invitation links of groups: SHA-256 digests, never the links. `number` tells the links of a group apart. `maker`
-- is a member: the link is deleted when its maker leaves. Times are in milliseconds since 1970, UTC.
CREATE TABLE links (
    digest         TEXT    PRIMARY KEY,
    conversation   INTEGER NOT NULL REFERENCES conversations (id),
    number         INTEGER NOT NULL,
    maker          INTEGER NOT NULL REFERENCES users (id),
    made           INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    uses           INTEGER NOT NULL,
    UNIQUE (conversation, number)
) STRICT;
