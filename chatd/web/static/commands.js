/** What is typed becomes a request: by the daemon's own table of commands. */

import { t } from "./language.js";

/** Without an id, they are for the last message: `edit` for the user's own, the others for one of somebody else. */
const IMPLIED_ID = new Set(["edit", "reply", "react", "unreact"]);

/** The group on the screen is implied by a command on a group whose next field is one of these. */
const BEHIND_IMPLIED_GROUP = new Set(["dest", "topic"]);

export class CommandTable {
	/** @param {SentTable} table what the daemon sends; a name that is left out there is that of the command */
	constructor({ fields, commands }) {
		/** @type {Map<string, Command>} */
		this.words = new Map();
		/** @type {Map<string, Command>} */
		this.slashes = new Map();
		/** @type {Map<string, Command>} */
		this.actions = new Map();
		for (const row of commands) {
			const { name, action = name, word = name, slash = name } = row;
			const command = { ...row, action, word, slash, fields: row.fields.split(" ").filter(Boolean).map((one) => fieldOf(one, fields)) };
			if (word) this.words.set(word, command);
			if (slash) this.slashes.set(slash, command);
			if (action && !this.actions.has(action)) this.actions.set(action, command);
		}
	}

	/**
	 * Return the command that a text begins with, the separator of its fields, and the fields so far.
	 * @param {string} text
	 * @returns {{command: Command | undefined, separator: string, fields: string[]}}
	 */
	begun(text) {
		const slash = text.startsWith("/");
		const separator = slash ? " " : ";";
		const at = text.indexOf(separator);
		if (at < 0) return { command: undefined, separator, fields: [] };
		const word = text.slice(slash ? 1 : 0, at).trim().toLowerCase();
		return { command: (slash ? this.slashes : this.words).get(word), separator, fields: text.slice(at + 1).split(separator) };
	}

	/** @param {string} text @param {Here} here @returns {Typed} */
	parse(text, here) {
		if (/^\/\p{L}/u.test(text)) return this.#slash(text, here);
		const semicolon = text.indexOf(";");
		const command = semicolon < 0 ? undefined : this.words.get(text.slice(0, semicolon).trim().toLowerCase());
		if (command !== undefined) {
			const parts = split(text.slice(semicolon + 1), ";", command.fields.length);
			return build(command, command.fields, parts, usage(command, ";"));
		}
		if (this.isSecret(text)) {
			return { what: "wrong", text: t("this looks like a command with a password, and was not sent: begin it with /") };
		}
		return { what: "message", text: text.startsWith("//") ? text.slice(1) : text };
	}

	/** @param {string} text @param {Here} here @returns {Typed} */
	#slash(text, here) {
		const [, word, rest] = /** @type {string[]} */ (/^\/(\S+)\s*([^]*)$/u.exec(text));
		let command = this.slashes.get(word.toLowerCase());
		if (command === undefined) return { what: "wrong", text: t("unknown command: {name}; ask for help to list the commands", { name: `/${word.slice(0, 64)}` }) };
		if (command.action === "") {
			// An action is a message to where one is: `/me waves`.
			return rest.trim() ? { what: "message", text: `/me ${rest}` } : { what: "wrong", text: t("usage: {usage}", { usage: usage(command, " ") }) };
		}
		const last = here.lastMessage?.(command.name === "edit") ?? 0;
		const given = /^\d+\s+\S/u.test(rest);
		const completed = IMPLIED_ID.has(command.name) && !given && last > 0 && rest ? `${last} ${rest}` : rest;
		if (here.kind === "group" && command.name === "clients") command = this.actions.get("members") ?? command;
		const link = inviteLink(command, rest, here);
		if (link !== null) return link;
		const { fields } = command;
		const implied = here.kind === "group" && hasImpliedGroup(command);
		const [first, more] = rest.trim().split(/\s+/u);
		const isNamed = implied && here.isGroup?.(first) && (more || !fields[1].required);
		const line = implied && first && !isNamed ? `${here.name} ${rest}` : completed;
		const parts = splitBlanks(line, fields.length);
		const typed = build(command, fields, parts, usage(command, " ", implied), here.kind === "group" && (command.room || command.name === "members") ? here.name : "");
		if (typed.what === "request" && command.name === "history" && !typed.request.dest && here.kind !== "lobby") {
			typed.request[here.kind === "group" ? "group" : "dest"] = here.name;
		}
		return typed;
	}

	/** Whether a text looks like a command, which may hold a password. @param {string} text */
	isCommand(text) {
		const line = text.trimStart();
		// Without the table each word may be a command.
		const begun = this.words.size > 0 ? this.begun(line).command !== undefined : line.includes(";");
		return begun || /^(?:\/|PWD\s)/iu.test(line);
	}

	/** Whether a message with this text would show a password to others. @param {string} text */
	isSecret(text) {
		const line = text.trim();
		const slash = /^\/(\p{L}\S*)/u.exec(line);
		const semicolon = line.indexOf(";");
		const command = slash ? this.slashes.get(slash[1].toLowerCase()) : semicolon < 0 ? undefined : this.words.get(line.slice(0, semicolon).trim().toLowerCase());
		return /^PWD /u.test(line) || (command !== undefined && command.fields.some((field) => field.kind === "secret"));
	}
}

/** @param {string} shown a name, in brackets if the field may be left out @param {SentTable["fields"]} fields @returns {Field} */
function fieldOf(shown, fields) {
	const name = shown.replace(/[[\]]/gu, "");
	return { name, key: name, kind: "name", required: shown === name, ...fields[name] };
}

/** `/invite GROUP --link [lifetime]` is a form of the page only. @param {Command} command @param {string} rest @param {Here} here @returns {Typed | null} */
function inviteLink(command, rest, here) {
	if (command.name !== "invite") return null;
	const words = rest.split(/\s+/u).filter(Boolean);
	const at = words.indexOf("--link");
	if (at < 0) return null;
	const group = at > 0 ? words[0] : here.kind === "group" ? here.name : "";
	if (!group) return { what: "wrong", text: t("usage: {usage}", { usage: "/invite group --link [7d]" }) };
	const lifetime = words[at + 1];
	return { what: "request", command, request: { action: "invitelink", group, ...(lifetime ? { lifetime } : {}) } };
}

/** Whether `/kick bob` is typed for the group on the screen. @param {Command} command */
const hasImpliedGroup = ({ fields }) => fields[0]?.name === "group" && BEHIND_IMPLIED_GROUP.has(fields[1]?.name);

/** @param {Command} command @param {Field[]} fields @param {string[]} parts @param {string} use @param {string} [room] @returns {Typed} */
function build(command, fields, parts, use, room = "") {
	/** @type {Wired} */
	const request = { action: command.action };
	fields.forEach((field, n) => {
		const part = parts[n];
		if (part === undefined) return;
		const value = field.kind === "text" ? part : part.trim();
		if (value === "") return;
		request[field.key] = (field.kind === "id" || field.kind === "count") && /^\d{1,15}$/u.test(value) ? Number(value) : value;
	});
	if (room && request.group === undefined) request.group = room;
	const missing = fields.some((field) => field.required && request[field.key] === undefined);
	return missing ? { what: "wrong", text: t("usage: {usage}", { usage: use }) } : { what: "request", command, request };
}

/** Split into at most `count` parts; the last has the rest. @param {string} text @param {string} separator @param {number} count */
function split(text, separator, count) {
	const parts = text.split(separator);
	return parts.length <= count ? parts : [...parts.slice(0, Math.max(0, count - 1)), parts.slice(Math.max(0, count - 1)).join(separator)];
}

/** @param {string} text @param {number} count */
function splitBlanks(text, count) {
	/** @type {string[]} */
	const parts = [];
	let rest = text;
	while (parts.length < count - 1) {
		const found = /^(\S+)\s*/u.exec(rest);
		if (found === null) break;
		parts.push(found[1]);
		rest = rest.slice(found[0].length);
	}
	return rest === "" ? parts : [...parts, rest];
}

/** Return how a command is typed: `/kick group nick [reason]`. @param {Command} command @param {string} separator @param {boolean} [implied] whether the group may be left out */
export function usage(command, separator, implied = false) {
	const fields = command.fields.map((field) => {
		const name = t(field.name === "dest" ? "nick" : field.name);
		const needed = field.required && !(separator === " " && (command.room || implied) && field.name === "group");
		return separator === " " ? (needed ? ` ${name}` : ` [${name}]`) : needed ? `;${name}` : `[;${name}]`;
	});
	if (separator === " ") return `/${command.slash}${fields.join("")}`;
	return command.word + (fields.join("") || ";");
}
