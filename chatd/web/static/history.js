/**
 * Reads pages of the log: the last page of a conversation when it is opened, earlier ones as the user scrolls,
 * and the events of groups between their messages.
 */

const PAGE = 100;
const LARGE_PAGE = 500;

export class History {
	/** @type {Map<string, Promise<boolean>>} */ #reading = new Map();

	/**
	 * @param {import("./wire.js").Wire} wire @param {import("./state.js").ChatState} state
	 * @param {(conversation: Conversation) => void} changed
	 */
	constructor(wire, state, changed) {
		this.wire = wire;
		this.state = state;
		this.changed = changed;
		this.limit = LARGE_PAGE;
	}

	/** Read the last page of a conversation, unless it is there. @param {Conversation} conversation */
	async open(conversation) {
		if (conversation.gone || !this.wire.ready) return;
		if (!conversation.loaded) await this.#once(conversation, null, PAGE);
		else if (!conversation.events) await this.#readEvents(conversation, conversation.complete ? 0 : firstMessage(conversation), null);
	}

	/**
	 * Read the page before the first entry; return whether there may be more.
	 * @param {Conversation} conversation @param {boolean} [large]
	 */
	async earlier(conversation, large = false) {
		if (conversation.complete || conversation.gone || !this.wire.ready) return false;
		return this.#once(conversation, conversation.loaded ? firstMessage(conversation) || null : null, large ? LARGE_PAGE : PAGE);
	}

	/** Read the last page instead of one from the past. @param {Conversation} conversation */
	async latest(conversation) {
		if (!conversation.newer || !this.wire.ready) return;
		await this.#reading.get(conversation.key);
		conversation.entries.length = 0;
		Object.assign(conversation, { loaded: false, complete: false, newer: false });
		await this.#once(conversation, null, PAGE);
	}

	/** Read the page behind the last entry, if there are later ones. @param {Conversation} conversation */
	later(conversation) {
		const { key, newer, entries } = conversation;
		if (!newer || !this.wire.ready || this.#reading.has(key)) return;
		this.#track(key, this.#ask(conversation, PAGE, { after: entries.at(-1)?.id ?? 0, events: "all" }).then((page) => {
			if (page.action === "server-error") return false;
			this.state.later(page);
			this.changed(conversation);
			return true;
		}));
	}

	/** Make sure that an entry is there, with those around it; return whether it is. @param {Conversation} conversation @param {number} id */
	async around(conversation, id) {
		await this.#reading.get(conversation.key);
		const { entries, loaded, newer } = conversation;
		if (loaded && entries.length > 0 && entries[0].id <= id && (!newer || id <= entries[entries.length - 1].id)) return true;
		const page = await this.#ask(conversation, PAGE, { around: id, events: "all" });
		if (page.action === "server-error") return false;
		this.state.around(page);
		this.changed(conversation);
		return true;
	}

	/** Ask for a page. @param {Conversation} conversation @param {number} limit @param {Wired} bounds @returns {Promise<Wired>} */
	#ask({ kind, name }, limit, bounds) {
		const place = kind === "group" ? { group: name } : kind === "direct" ? { dest: name } : {};
		return this.wire.request({ action: "history", limit: Math.min(limit, this.limit), ...place, ...bounds });
	}

	/** @param {string} key @param {Promise<boolean>} reading */
	#track(key, reading) {
		const tracked = reading.finally(() => this.#reading.delete(key));
		this.#reading.set(key, tracked);
		return tracked;
	}

	/** @param {Conversation} conversation @param {number | null} before @param {number} limit @returns {Promise<boolean>} */
	#once(conversation, before, limit) {
		const { key } = conversation;
		return this.#reading.get(key) ?? this.#track(key, this.#read(conversation, before, limit));
	}

	/** @param {Conversation} conversation @param {number | null} before @param {number} limit */
	async #read(conversation, before, limit) {
		const page = await this.#ask(conversation, limit, before === null ? {} : { before });
		if (page.action === "server-error") {
			// A conversation with a user to whom nothing was written yet has no log.
			if (page.code !== "connection_lost" && page.code !== "storage_failed") {
				conversation.loaded = conversation.complete = true;
				this.changed(conversation);
			}
			return false;
		}
		this.state.page(page, before);
		this.changed(conversation);
		if (conversation.kind === "group") this.#readEvents(conversation, page.more ? (page.messages[0]?.id ?? 0) : 0, before);
		return Boolean(page.more);
	}

	/** Read the events of a group from the id `first` to `before`. @param {Conversation} conversation @param {number} first @param {number | null} before */
	async #readEvents(conversation, first, before) {
		conversation.events = true;
		let after = Math.max(0, first - 1);
		for (let n = 0; n < 4; n++) {
			const range = before === null ? { after } : { after, before };
			const answer = await this.wire.request({ action: "states", group: conversation.name, limit: this.limit, ...range });
			if (answer.action !== "server-states" || answer.events.length === 0) return;
			this.state.events(conversation.name, answer.events);
			this.changed(conversation);
			if (!answer.more) return;
			after = answer.events[answer.events.length - 1].id;
		}
	}
}

/** @param {Conversation} conversation */
const firstMessage = (conversation) => conversation.entries.find((one) => one.from !== undefined)?.id ?? 0;
