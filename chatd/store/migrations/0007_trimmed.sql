-- The id up to which old messages of a conversation were deleted.
CREATE TABLE trimmed (
    conversation  INTEGER PRIMARY KEY REFERENCES conversations (id),
    last          INTEGER NOT NULL
) STRICT;
