/** Who is writing: the marks of others, and when the user's own is sent. It knows no DOM and no clock. */

/** A mark that nobody renews means nothing after this time. */
export const MARK_MS = 6000;
/** How often the own mark is renewed while the user writes. */
const RENEWED_MS = 3000;

export class TypingMarks {
	/** When the mark of each user ends, by conversation. @type {Map<string, Map<string, number>>} */ #ends = new Map();

	/** @param {string} key of the conversation @param {string} nick @param {boolean} active @param {number} now in milliseconds */
	set(key, nick, active, now) {
		const ends = this.#ends.get(key) ?? new Map();
		for (const [one, end] of ends) if (end <= now || one === nick) ends.delete(one);
		if (active) ends.set(nick, now + MARK_MS);
		if (ends.size > 0) this.#ends.set(key, ends);
		else this.#ends.delete(key);
	}

	/** Return who writes in a conversation, those who began last at the end. @param {string} key @param {number} now */
	nicks(key, now) {
		return [...(this.#ends.get(key) ?? [])].filter(([, end]) => end > now).map(([nick]) => nick);
	}

	clear() {
		this.#ends.clear();
	}
}

export class OwnTyping {
	/** @type {Conversation | null} */ #conversation = null;
	#sentAt = 0;

	/** @param {(conversation: Conversation, state: "active" | "done") => void} send */
	constructor(send) {
		this.send = send;
	}

	/** The user has changed the text for a conversation. @param {Conversation} conversation @param {boolean} writes whether it becomes a message @param {number} now */
	typed(conversation, writes, now) {
		if (!writes || conversation.key !== this.#conversation?.key) this.stop();
		if (!writes || (this.#conversation !== null && now - this.#sentAt < RENEWED_MS)) return;
		this.#conversation = conversation;
		this.#sentAt = now;
		this.send(conversation, "active");
	}

	/** The user does not write any more. After a message nobody needs to be told. @param {boolean} [told] */
	stop(told = true) {
		if (this.#conversation !== null && told) this.send(this.#conversation, "done");
		this.#conversation = null;
	}
}
