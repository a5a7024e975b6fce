-- When the user registered, in milliseconds since 1970, UTC; nothing for accounts that are older than this column.
ALTER TABLE credentials ADD COLUMN since INTEGER;
