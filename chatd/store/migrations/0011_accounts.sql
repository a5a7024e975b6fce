-- When the user registered, in milliseconds since 1970, UTC; nothing for accounts that are older than this column.
ALTER TABLE credentials ADD COLUMN since INTEGER;

-- The users whose erasure is under way, with the id of the last log entry whose text was erased.
CREATE TABLE erasures (
    user  INTEGER PRIMARY KEY REFERENCES users (id),
    last  INTEGER NOT NULL
) STRICT;
