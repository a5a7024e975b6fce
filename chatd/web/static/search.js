/** Search in the open conversation, back through its whole history, or in all of them by the daemon. */

import { byId } from "./dom.js";
import { t } from "./language.js";
import { SearchResults } from "./search_results.js";
import { folded } from "./text.js";

const WAIT_MS = 150;

export class Search {
	query = "";
	found = 0;
	/** @type {number[]} ids, oldest first */ #matches = [];
	#seen = { first: Infinity, last: -Infinity };
	#reading = false;
	#run = 0;
	/** @type {any} */ #timer;

	/**
	 * @param {{
	 *   current: () => Conversation, readEarlier: (conversation: Conversation) => Promise<boolean>,
	 *   goTo: (id: number) => void, restyle: () => void, closed: () => void, latest: () => Promise<void>,
	 *   ask: (request: Wired) => Promise<Wired>, placeName: (place: {kind: Kind, name: string}) => string,
	 *   goToMessage: (kind: Kind, name: string, id: number) => void,
	 * }} actions
	 */
	constructor(actions) {
		this.actions = actions;
		this.results = new SearchResults(actions);
		this.form = /** @type {HTMLFormElement} */ (byId("search"));
		this.text = /** @type {HTMLInputElement} */ (byId("search-text"));
		this.text.addEventListener("input", () => {
			clearTimeout(this.#timer);
			this.#timer = setTimeout(() => this.#begin(), WAIT_MS);
		});
		this.form.addEventListener("submit", (event) => {
			event.preventDefault();
			if (this.#listed) this.#begin();
			else this.#step(-1);
		});
		this.form.addEventListener("keydown", (event) => {
			if (event.key === "Escape") this.close();
			else if (event.key === "Enter" && event.shiftKey) {
				event.preventDefault();
				this.#step(1);
			}
		});
		byId("search-up").addEventListener("click", () => this.#step(-1));
		byId("search-down").addEventListener("click", () => this.#step(1));
		byId("search-close").addEventListener("click", () => this.close());
		byId("search-list").addEventListener("click", () => this.#list(!this.#listed));
		if (this.text.value !== "") this.#begin();
	}

	/** Search in all conversations. @param {string} words */
	everywhere(words) {
		this.text.value = words;
		this.#list(true);
	}

	/** Whether the daemon's results are listed. */
	get #listed() {
		return !this.results.panel.hidden;
	}

	/** @param {boolean} listed */
	#list(listed) {
		this.results.panel.hidden = !listed;
		byId("search-list").setAttribute("aria-expanded", String(listed));
		this.#begin();
	}

	close() {
		if (this.form.hidden) return;
		this.results.panel.hidden = true;
		byId("search-list").setAttribute("aria-expanded", "false");
		this.form.hidden = true;
		byId("search-open").setAttribute("aria-expanded", "false");
		this.text.value = "";
		this.#begin();
		this.actions.closed();
	}

	/** Another conversation is shown, or new entries have come. @param {boolean} another */
	changed(another) {
		if (this.query === "") return;
		if (another) this.#begin();
		else {
			this.#collect();
			this.#show();
		}
	}

	async #begin() {
		if (this.#listed) this.results.search(this.text.value);
		this.query = this.#listed ? "" : folded(this.text.value.trim());
		this.found = 0;
		this.#matches = [];
		this.#seen = { first: Infinity, last: -Infinity };
		const run = ++this.#run;
		this.#reading = this.query !== "";
		this.actions.restyle();
		if (this.query === "") {
			this.#show();
			return;
		}
		await this.actions.latest();
		if (run !== this.#run) return;
		this.#collect();
		this.#step(-1);
		this.#readOn(run);
	}

	/** Read the history on while the search lasts. @param {number} run */
	async #readOn(run) {
		const conversation = this.actions.current();
		while (run === this.#run && !conversation.complete && (await this.actions.readEarlier(conversation))) {
			if (run !== this.#run) return;
			this.#collect();
			if (this.found === 0) this.#step(-1);
			this.#show();
		}
		if (run !== this.#run) return;
		this.#reading = false;
		this.#collect();
		if (this.found === 0) this.#step(-1);
		this.#show();
	}

	/** Look through the entries that were not looked through yet. */
	#collect() {
		const { entries } = this.actions.current();
		if (entries.length === 0) return;
		const { first, last } = this.#seen;
		/** @type {number[]} */ const before = [];
		/** @type {number[]} */ const after = [];
		for (const one of entries) {
			if (one.id >= first && one.id <= last) continue;
			if (one.msg === undefined || one.kind === "image" || !folded(one.msg).includes(this.query)) continue;
			(one.id < first ? before : after).push(one.id);
		}
		this.#matches = before.concat(this.#matches, after);
		this.#seen = { first: entries[0].id, last: entries[entries.length - 1].id };
	}

	/** @param {number} step -1 for the earlier match */
	#step(step) {
		const matches = this.#matches;
		if (matches.length === 0) {
			this.#show();
			return;
		}
		let at = matches.indexOf(this.found);
		at = at < 0 ? matches.length - 1 : (at + step + matches.length) % matches.length;
		this.found = matches[at];
		this.actions.goTo(this.found);
		this.#show();
	}

	#show() {
		const { length } = this.#matches;
		const at = this.#matches.indexOf(this.found) + 1;
		const more = this.#reading ? "…" : "";
		byId("search-count").textContent = this.query === "" ? "" : length > 0 ? t("{n} of {m}", { n: at, m: length }) + more : this.#reading ? t("searching…") : t("not found");
		for (const id of ["search-up", "search-down"]) /** @type {HTMLButtonElement} */ (byId(id)).disabled = length === 0;
	}
}
