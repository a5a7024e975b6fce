/** The daemon's full-text search: the messages that it finds, the newest first, as a list that leads to each. */

import { button, byId, el, name } from "./dom.js";
import { formatDate, refusalText, t } from "./language.js";
import { lineOf } from "./row_view.js";
import { sayingEntry } from "./state.js";

const PAGE = 30;
/** Operators, as the daemon has them in a typed search, and the fields of a request that they stand for. */
const FIELDS = /** @type {Record<string, string>} */ ({ in: "group", with: "dest", from: "author" });

/** Return the fields of a search for what was typed; in quotation marks, operators are words. @param {string} typed @returns {Wired} */
export function searchFields(typed) {
	/** @type {Wired} */
	const fields = {};
	const words = [];
	for (const part of typed.match(/"[^"]*"?|\S+/gu) ?? []) {
		const operator = /^(in|with|from):(.+)$/iu.exec(part);
		if (operator === null) words.push(part);
		else fields[FIELDS[operator[1].toLowerCase()]] = operator[2];
	}
	return { words: words.join(" "), ...fields };
}

/** Return a text with the words of a search marked, where they are written like there. @param {string} text @param {string} words */
function markedNodes(text, words) {
	const found = words.match(/[\p{L}\p{N}]+/gu);
	if (found === null) return [text];
	const pattern = new RegExp(`((?<![\\p{L}\\p{N}])(?:${found.join("|")}))`, "iu");
	return text.split(pattern).map((part, n) => (n % 2 ? el("mark", "", part) : part));
}

export class SearchResults {
	#run = 0;
	#everywhere = true;
	/** @type {Wired} */ #request = {};

	/**
	 * @param {{
	 *   ask: (request: Wired) => Promise<Wired>, current: () => Conversation, placeName: (place: {kind: Kind, name: string}) => string,
	 *   goToMessage: (kind: Kind, name: string, id: number) => void,
	 * }} actions
	 */
	constructor(actions) {
		this.actions = actions;
		this.said = el("p", "quiet");
		this.said.setAttribute("role", "status");
		this.list = el("ul", "list");
		this.more = button(t("More"), () => this.#read());
		this.scopes = [true, false].map((everywhere) => button(t(everywhere ? "Everywhere" : "Only here"), () => {
			this.#everywhere = everywhere;
			this.search(this.typed);
		}));
		this.typed = "";
		this.panel = byId("results");
		this.panel.replaceChildren(el("p", "buttons", ...this.scopes, this.said), this.list, this.more);
	}

	/** @param {string} typed */
	search(typed) {
		this.typed = typed;
		this.scopes.forEach((one, n) => one.setAttribute("aria-pressed", String(this.#everywhere === (n === 0))));
		const { kind, name } = this.actions.current();
		const here = kind === "direct" ? { dest: name } : { group: kind === "lobby" ? "lobby" : name };
		this.#request = { action: "search", limit: PAGE, ...(this.#everywhere ? {} : here), ...searchFields(typed) };
		this.list.replaceChildren();
		this.more.hidden = true;
		this.said.textContent = "";
		this.#run++;
		if (typed.trim() !== "") this.#read();
	}

	async #read() {
		const run = ++this.#run;
		this.more.hidden = true;
		this.said.textContent = t("searching…");
		const answer = await this.actions.ask(this.#request);
		if (run !== this.#run) return;
		if (answer.action === "server-error") {
			this.said.textContent = refusalText(/** @type {any} */ (answer));
			return;
		}
		this.list.append(...answer.messages.map((/** @type {Wired} */ one) => this.#row(one)));
		this.#request.before = answer.before;
		this.more.hidden = !answer.more;
		const n = this.list.childElementCount;
		this.said.textContent = n === 0 && !answer.more ? t("not found") : t("Found: {n}", { n: answer.more ? `${n}+` : n });
	}

	/** @param {Wired} message */
	#row(message) {
		const { id, ts, from, conversation } = message;
		const { kind } = conversation;
		const place = kind === "lobby" ? "" : conversation.name;
		const row = button("", () => this.actions.goToMessage(kind, place, id));
		const about = el("span", "quiet", name(this.actions.placeName({ kind, name: place })), ` · ${formatDate("full", new Date(ts))}`);
		const text = lineOf(sayingEntry(message));
		row.append(about, el("span", "", el("b", "", name(from)), " ", el("bdi", "", ...markedNodes(text, this.#request.words))));
		return el("li", "", row);
	}
}
