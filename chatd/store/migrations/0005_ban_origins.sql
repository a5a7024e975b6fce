-- The addresses that the bans of unregistered users apply to, separated by spaces; empty for a lifted ban.
CREATE TABLE ban_origins (
    conversation  INTEGER NOT NULL REFERENCES conversations (id),
    user          INTEGER NOT NULL REFERENCES users (id),
    origins       TEXT    NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT;
