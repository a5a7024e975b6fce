/** Shows who writes in the open conversation, and tells the others that the user does. */

import { byId, sentenceNodes } from "./dom.js";
import { t } from "./language.js";
import { keyOf, LOBBY } from "./state.js";
import { MARK_MS, OwnTyping, TypingMarks } from "./typing.js";

export class TypingView {
	#marks = new TypingMarks();
	/** @type {any} */ #timer = null;

	/** @param {import("./wire.js").Wire} wire @param {import("./state.js").ChatState} state */
	constructor(wire, state) {
		this.state = state;
		this.line = byId("typing");
		this.own = new OwnTyping(({ kind, name }, typed) => {
			const place = kind === "group" ? { group: name } : kind === "direct" ? { dest: name } : {};
			// Nobody waits for the answer: a mark that is refused is none.
			if (wire.ready) wire.request({ action: "typing", state: typed, ...place });
		});
	}

	/** Take in the mark of a user. @param {Wired} mark */
	received({ from, group, to, state }) {
		if (from === this.state.me) return;
		this.#marks.set(group ? keyOf("group", group) : to ? keyOf("direct", from) : LOBBY, from, state === "active", performance.now());
		this.show();
	}

	/** A message has come: its author does not write any more. @param {string} key of the conversation @param {string} nick */
	wrote(key, nick) {
		this.#marks.set(key, nick, false, performance.now());
		this.show();
	}

	/** Begin anew, with another user. */
	clear() {
		this.#marks.clear();
		this.show();
	}

	/** Show who writes in the conversation that is open now, until the marks end. */
	show() {
		clearTimeout(this.#timer);
		const nicks = this.#marks.nicks(this.state.active, performance.now());
		if (nicks.length === 0 && !this.line.hasChildNodes()) return;
		const [a, b] = nicks;
		const sentence = nicks.length === 0 ? "" : nicks.length === 1 ? t("{a} is writing…") : nicks.length === 2 ? t("{a} and {b} are writing…") : t("{n} people are writing…");
		this.line.replaceChildren(...sentenceNodes(sentence, { a, b, n: String(nicks.length) }));
		if (nicks.length > 0) this.#timer = setTimeout(() => this.show(), MARK_MS);
	}
}
