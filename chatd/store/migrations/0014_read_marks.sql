-- The entry up to which a user has read a conversation, as the user's clients have said, and the latest time that they
-- have given for it in milliseconds since 1970: 0 if they gave ids only. It is written some seconds after that. Unlike
-- `users.seen` it never moves by itself.
CREATE TABLE read_marks (
    user          INTEGER NOT NULL REFERENCES users (id),
    conversation  INTEGER NOT NULL REFERENCES conversations (id),
    last          INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT;
