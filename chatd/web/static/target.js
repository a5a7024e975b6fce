/** What the text in the field is for, if it is no new message of its own: an answer, or an edit. */

import { byId, name, sentenceNodes } from "./dom.js";
import { t } from "./language.js";
import { lineOf } from "./row_view.js";

export class TargetView {
	/** By conversation. @type {Map<string, Target>} */ #targets = new Map();
	#key = "";

	/** @param {() => void} cancelled */
	constructor(cancelled) {
		byId("target-close").addEventListener("click", cancelled);
	}

	/** @returns {Target | undefined} */
	get current() {
		return this.#targets.get(this.#key);
	}

	/** Another conversation is shown. An edit that was begun ends, an answer goes on later. @param {string} key */
	show(key) {
		if (key !== this.#key && this.current?.what === "edit") this.#targets.delete(this.#key);
		this.#key = key;
		this.render();
	}

	/** @param {Target | null} target */
	set(target) {
		if (target === null) this.#targets.delete(this.#key);
		else this.#targets.set(this.#key, target);
		this.render();
	}

	clear() {
		this.#targets.clear();
		this.render();
	}

	render() {
		const { current } = this;
		byId("target").hidden = current === undefined;
		if (current === undefined) return;
		const { what, entry } = current;
		const sentence = sentenceNodes(t(what === "edit" ? "You edit:" : "You answer {nick}:"), { nick: entry.from ?? "" });
		byId("target-text").replaceChildren(...sentence, " ", name(lineOf(entry)));
	}
}
