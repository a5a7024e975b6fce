/** The page's language: its own texts, and the daemon's English sentences by its catalogue. */

/** The daemon's French sentences by code, behind the English one if they have gaps. @type {Map<string, string | [string, string]>} */
let refusals = new Map();
/** @type {[string, string][]} */
let reasons = [];
/** French by English. @type {Map<string, string>} */
let texts = new Map();
let language = "en";

/** @type {Record<string, Intl.DateTimeFormat>} */
let formats = {};

export const currentLanguage = () => language;

/** Load what is needed for a language. @param {string} wanted a language tag; all but French is English */
export async function setLanguage(wanted) {
	const french = wanted.toLowerCase().startsWith("fr");
	if (french && texts.size === 0) texts = new Map(Object.entries((await import("./french.js")).FRENCH));
	language = french ? "fr" : "en";
	const tag = french ? "fr" : navigator.language.startsWith("en") ? navigator.language : "en";
	formats = {
		time: new Intl.DateTimeFormat(tag, { hour: "numeric", minute: "2-digit" }),
		day: new Intl.DateTimeFormat(tag, { weekday: "long", day: "numeric", month: "long", year: "numeric" }),
		full: new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "medium" }),
	};
}

/** Load the sentences of the daemon in the user's language, unless they are there. English ones come with the answers. */
export async function loadSentences() {
	if (language === "en" || reasons.length > 0) return;
	const answer = await fetch("french.json").catch(() => null);
	if (!answer?.ok) return;
	/** @type {Catalogue} */
	const catalogue = await answer.json();
	refusals = new Map(Object.entries(catalogue.refusals));
	reasons = catalogue.reasons;
	const pairs = [...refusals.values()].filter((one) => typeof one !== "string");
	texts = new Map([...Object.entries(catalogue.texts), ...reasons, ...pairs, ...texts]);
}

/**
 * Return a text of the page in the user's language; `{name}` stands for a value.
 * @param {string} text @param {Record<string, string | number>} [values]
 */
export function t(text, values) {
	const shown = language === "fr" ? (texts.get(text) ?? text) : text;
	return values === undefined ? shown : fill(shown, values);
}

/** @param {string} template @param {Record<string, string | number>} values */
function fill(template, values) {
	return template.replace(/\{(\w+)\}/gu, (gap, name) => (Object.hasOwn(values, name) ? String(values[name]) : gap));
}

/** @param {"time" | "day" | "full"} format @param {Date} date */
export const formatDate = (format, date) => formats[format].format(date);

/** Return the sentence of a refusal in the user's language. @param {{code: string, msg: string}} refusal */
export function refusalText(refusal) {
	if (refusal.code === "connection_lost") return t("The connection was lost before the answer came.");
	const text = refusal.msg ?? refusal.code;
	if (language === "en") return text;
	const french = refusals.get(refusal.code) ?? text;
	return typeof french === "string" ? french : recognised(text, [french]);
}

/**
 * Return the translation of a text that is the first of one of `pairs` with its gaps filled.
 * @param {string} text @param {[string, string][]} pairs
 */
function recognised(text, pairs) {
	for (const [english, french] of pairs) {
		const found = patternOf(english).exec(text);
		if (found === null) continue;
		/** @type {Record<string, string>} */
		const values = { ...found.groups };
		for (const [name, value] of Object.entries(values)) {
			if (name === "why") values.why = recognised(value, reasons);
			else if (["name", "others", "last"].includes(name)) values[name] = texts.get(value) ?? value;
		}
		return fill(french, values);
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
			.map((part, n) => (n % 2 ? `(?<${part}>[^]{0,600})` : part.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&")))
			.join("");
		pattern = new RegExp(`^${source}$`, "u");
		patterns.set(sentence, pattern);
	}
	return pattern;
}

/**
 * Translate the texts that stand in index.html: that of elements with `data-t`, the labels of those with
 * `data-t-label`. The attribute keeps the English text. @param {ParentNode} root
 */
export function translatePage(root) {
	document.documentElement.lang = language;
	for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-t]"))) {
		element.dataset.t ||= element.textContent ?? "";
		element.textContent = t(element.dataset.t);
	}
	for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-t-label]"))) {
		element.dataset.tLabel ||= element.getAttribute("aria-label") ?? "";
		element.setAttribute("aria-label", t(element.dataset.tLabel));
		if (element.title) element.title = t(element.dataset.tLabel);
	}
}
