/** The page's language: its own texts, and the daemon's English sentences by its catalogue. */

import { FRENCH } from "./french.js";

/** @type {Catalogue} */
let catalogue = { refusals: {}, reasons: [], french: {} };
let language = "en";

/** @type {Record<string, Intl.DateTimeFormat>} */
let formats = {};

export const currentLanguage = () => language;

/** @param {Catalogue} loaded */
export function setCatalogue(loaded) {
	catalogue = loaded;
}

/** @param {string} wanted a language tag; all but French is English */
export function setLanguage(wanted) {
	language = wanted.toLowerCase().startsWith("fr") ? "fr" : "en";
	const tag = language === "fr" ? "fr" : navigator.language.startsWith("en") ? navigator.language : "en";
	formats = {
		time: new Intl.DateTimeFormat(tag, { hour: "numeric", minute: "2-digit" }),
		day: new Intl.DateTimeFormat(tag, { weekday: "long", day: "numeric", month: "long", year: "numeric" }),
		full: new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "medium" }),
	};
}

/**
 * Return a text of the page in the user's language; `{name}` stands for a value.
 * @param {string} text @param {Record<string, string | number>} [values]
 */
export function t(text, values) {
	const shown = language === "fr" ? (FRENCH[text] ?? catalogue.french[text] ?? text) : text;
	return values === undefined ? shown : fill(shown, values);
}

/** @param {string} template @param {Record<string, string | number>} values */
function fill(template, values) {
	return template.replace(/\{(\w+)\}/gu, (gap, name) => (name in values ? String(values[name]) : gap));
}

/** @param {"time" | "day" | "full"} format @param {Date} date */
export const formatDate = (format, date) => formats[format].format(date);

/** Return the sentence of a refusal in the user's language. @param {{code: string, msg: string}} refusal */
export function refusalText(refusal) {
	if (refusal.code === "connection_lost") return t("The connection was lost before the answer came.");
	const text = refusal.msg ?? refusal.code;
	if (language === "en") return text;
	const sentence = catalogue.refusals[refusal.code];
	return sentence === undefined ? text : recognised(text, [sentence]);
}

/** Return the translation of a text that is one of `sentences` with its gaps filled. @param {string} text @param {string[]} sentences */
function recognised(text, sentences) {
	for (const sentence of sentences) {
		const found = patternOf(sentence).exec(text);
		if (found === null) continue;
		/** @type {Record<string, string>} */
		const values = { ...found.groups };
		if (values.why !== undefined) values.why = recognised(values.why, catalogue.reasons);
		for (const [name, value] of Object.entries(values)) {
			if (catalogue.french[value] !== undefined && (name === "name" || name === "others" || name === "last")) {
				values[name] = catalogue.french[value];
			}
		}
		return fill(catalogue.french[sentence] ?? sentence, values);
	}
	return text;
}

/** @type {Map<string, RegExp>} */
const patterns = new Map();

/** @param {string} sentence */
function patternOf(sentence) {
	let pattern = patterns.get(sentence);
	if (pattern === undefined) {
		const source = sentence
			.split(/\{(\w+)\}/u)
			.map((part, n) => (n % 2 ? `(?<${part}>[^]{0,600})` : part.replace(/[\\^$.*+?()[\]{}|/-]/gu, "\\$&")))
			.join("");
		pattern = new RegExp(`^${source}$`, "u");
		patterns.set(sentence, pattern);
	}
	return pattern;
}

/** Translate the texts that stand in index.html. @param {ParentNode} root */
export function translatePage(root) {
	document.documentElement.lang = language;
	for (const element of root.querySelectorAll("[data-t]")) {
		element.textContent = t(/** @type {HTMLElement} */ (element).dataset.t ?? "");
	}
	for (const element of root.querySelectorAll("[data-t-label]")) {
		element.setAttribute("aria-label", t(/** @type {HTMLElement} */ (element).dataset.tLabel ?? ""));
	}
	for (const element of root.querySelectorAll("[data-t-title]")) {
		element.setAttribute("title", t(/** @type {HTMLElement} */ (element).dataset.tTitle ?? ""));
	}
}
