/** Completion of commands, their fields, nicks and groups. */

import { usage } from "./commands.js";
import { byName } from "./dom.js";
import { t } from "./language.js";

/**
 * @param {string} typed the text up to the caret
 * @param {import("./commands.js").CommandTable} table
 * @param {Iterable<string>} nicks @param {Iterable<string>} groups
 * @returns {Completion}
 */
export function complete(typed, table, nicks, groups) {
	const { command, separator, fields } = table.begun(typed);
	if (command !== undefined) {
		const field = command.fields[fields.length - 1];
		if (field === undefined || field.kind === "text" || field.kind === "note") return word(typed, nicks);
		const last = fields[fields.length - 1];
		const offered = field.name === "group" ? groups : field.name === "dest" ? nicks : (field.choices ?? []);
		const end = fields.length < command.fields.length ? separator : "";
		return { start: typed.length - last.length, offers: beginning(last, offered).map((one) => one + end) };
	}
	if (typed.startsWith("/") && !/\s/u.test(typed)) {
		return { start: 0, offers: beginning(typed, [...table.slashes.keys()].filter((one) => one !== "login").map((one) => `/${one}`)).map((one) => `${one} `) };
	}
	const names = word(typed, nicks);
	if (names.start > 0 || typed === "") return names;
	const words = beginning(typed, [...table.words.keys()].filter((one) => one !== "identify")).map((one) => `${one};`);
	return { start: 0, offers: [...names.offers.map((one) => `${one}: `), ...(typed.length > 1 ? words : [])] };
}

/** Return how the command that is being typed goes on, and what it does. @param {string} typed @param {import("./commands.js").CommandTable} table */
export function hintFor(typed, table) {
	const { command, separator } = table.begun(typed);
	return command === undefined ? "" : `${usage(command, separator)} — ${command.help}`;
}

/** @param {string} typed @param {Iterable<string>} nicks @returns {Completion} */
function word(typed, nicks) {
	const start = Math.max(typed.lastIndexOf(" "), typed.lastIndexOf("\n")) + 1;
	const begun = typed.slice(start);
	const bare = begun.startsWith("@") ? begun.slice(1) : begun;
	if (bare === "") return { start, offers: [] };
	const at = begun.length - bare.length;
	return { start: start + at, offers: beginning(bare, nicks) };
}

/** @param {string} begun @param {Iterable<string>} offered */
function beginning(begun, offered) {
	const low = begun.toLowerCase();
	/** @type {string[]} */
	const found = [];
	for (const one of offered) if (one.toLowerCase().startsWith(low)) found.push(one);
	return found.sort(byName);
}
