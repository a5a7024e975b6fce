/** Keeps the user's read marks on the daemon. They are those of all sessions of the user. */

import { slowly } from "./dom.js";

/** The pause between two rounds of marks. A round has one mark for each conversation at most. */
const ROUND_MS = 2000;
/** Pages of earlier messages that are read to find mentions: of one conversation, and in all. */
const PAGES_OF_ONE = 5;
const PAGES_IN_ALL = 20;

export class ReadMarks {
	/**
	 * @param {import("./wire.js").Wire} wire @param {import("./state.js").ChatState} state
	 * @param {import("./history.js").History} history
	 * @param {() => Promise<any[] | null>} list reads the user's conversations @param {() => void} changed
	 */
	constructor(wire, state, history, list, changed) {
		this.wire = wire;
		this.state = state;
		this.history = history;
		this.list = list;
		this.changed = changed;
		/** Send the marks that have moved, soon. */
		this.sendSoon = slowly(() => this.send(), ROUND_MS);
	}

	/** Read the marks and the counts of unread messages. */
	async load() {
		this.state.summaries((await this.list()) ?? []);
		this.changed();
	}

	/** Another session has moved a mark. @param {Wired} object */
	moved(object) {
		if (this.state.moveMark(object)) this.load();
		this.changed();
	}

	/** Send each mark that the daemon has not got. */
	send() {
		if (!this.wire.ready || !this.state.counted) return;
		for (const { kind, name, read } of this.state.conversations.values()) {
			const upto = read.markToSend;
			if (upto === null) continue;
			// Sent once: a refusal, as after the user has left the group, would come again.
			read.serverMark = upto;
			this.wire.request({ action: "markread", upto, ...(kind === "group" ? { group: name } : kind === "direct" ? { dest: name } : {}) }).then((answer) => {
				if (answer.action === "server-read") read.serverMark = Math.max(answer.id, upto);
				else if (answer.code === "connection_lost") read.serverMark = null;
			});
		}
	}

	/** Read on back to the marks, to find out where the user is mentioned. */
	async findMentions() {
		let left = PAGES_IN_ALL;
		for (const conversation of [...this.state.conversations.values()]) {
			const { kind, read } = conversation;
			for (let n = 0; n < PAGES_OF_ONE && left > 0 && kind !== "direct" && read.unread > 0 && (conversation.entries[0]?.id ?? Infinity) > read.readId; n++, left--) {
				if (!(await this.history.earlier(conversation, true))) break;
			}
		}
		this.changed();
	}
}
