/** The palette: conversations, groups, users and commands that have the typed letters in their order. */

import { closeDialog, openDialog } from "./dialogs.js";
import { el, name } from "./dom.js";
import { t } from "./language.js";

const SHOWN = 12;

/**
 * Return how well a text has the letters of a query in their order: a smaller number is better, null is not at all.
 * Letters next to each other and a match at the beginning are better.
 * @param {string} text @param {string} query both in lower case
 */
export function rank(text, query) {
	if (text.startsWith(query)) return 0;
	if (text.includes(query)) return 1;
	let at = -1;
	let gaps = 2;
	for (const letter of query) {
		const next = text.indexOf(letter, at + 1);
		if (next < 0) return null;
		if (next > at + 1) gaps++;
		at = next;
	}
	return gaps;
}

/** @param {PaletteChoice[]} choices @param {string} query */
export function matching(choices, query) {
	const low = query.trim().toLowerCase();
	return choices
		.map((choice, n) => ({ choice, n, rank: rank(choice.text.toLowerCase(), low) }))
		.filter((one) => one.rank !== null)
		.sort((one, other) => /** @type {number} */ (one.rank) - /** @type {number} */ (other.rank) || one.n - other.n)
		.slice(0, SHOWN)
		.map((one) => one.choice);
}

/** Open the palette. @param {PaletteChoice[]} choices the most likely ones first */
export function openPalette(choices) {
	const input = el("input");
	const list = el("ul", "list");
	let at = 0;
	/** @type {PaletteChoice[]} */
	let shown = [];
	Object.assign(input, { type: "text", id: "palette", autocomplete: "off", dir: "auto", maxLength: 64 });
	input.setAttribute("role", "combobox");
	input.setAttribute("aria-label", t("Go to…"));
	input.setAttribute("aria-controls", "palette-list");
	input.setAttribute("aria-expanded", "true");
	list.id = "palette-list";
	list.setAttribute("role", "listbox");
	list.setAttribute("aria-label", t("Go to…"));
	const choose = () => {
		if (shown[at] === undefined) return;
		closeDialog();
		shown[at].chosen();
	};
	const mark = () => {
		[...list.children].forEach((one, n) => one.setAttribute("aria-selected", String(n === at)));
		input.setAttribute("aria-activedescendant", shown.length > 0 ? `palette-${at}` : "");
		list.children[at]?.scrollIntoView({ block: "nearest" });
	};
	const fill = () => {
		shown = matching(choices, input.value);
		at = 0;
		list.replaceChildren(...shown.map(({ text, about }, n) => {
			const option = el("li", "", name(text), el("span", "quiet", about));
			option.id = `palette-${n}`;
			option.setAttribute("role", "option");
			option.addEventListener("click", () => {
				at = n;
				choose();
			});
			return option;
		}));
		mark();
	};
	input.addEventListener("input", fill);
	input.addEventListener("keydown", (event) => {
		const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
		if (step === 0 || shown.length === 0) return;
		event.preventDefault();
		at = (at + step + shown.length) % shown.length;
		mark();
	});
	openDialog(t("Go to…"), [input, list], choose);
	fill();
}
