-- The administrator of the machine, as the author of what is done through the control socket. A nick has no `@`.
INSERT INTO users (id, nick, key, colour) VALUES (0, '@console', '@console', '#d63d3d');
