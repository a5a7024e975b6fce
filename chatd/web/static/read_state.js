/**
 * What the user has read of one conversation, and what is unread in it: the rules of the terminal client
 * (chatd/client/read_state.py), so that both agree on what is unread.
 */

/** The most ids of unread messages that are kept for one conversation. Older ones are only counted. */
const MAX_TRACKED_IDS = 2000;
/** The messages at the end of a conversation among which the daemon counts. */
const MAX_COUNTED = 1000;

export class ReadState {
	/** The id of the last entry that counts as read. */
	readId = 0;
	/** The user's mark on the daemon, as far as it is known. @type {number | null} */
	serverMark = null;
	/** The line "new messages" stands behind this id. @type {number | null} */
	newAfter = null;
	/** The ids of unread messages that mention the user. @type {number[]} */
	mentions = [];
	/** Those behind the line, also when they are read. @type {number[]} */ #newMentions = [];
	#jumps = 0;
	#counted = 0;
	#countedUpTo = 0;
	/** @type {number[]} */ #arrived = [];
	#seenId = 0;
	#first = true;
	#lastId = 0;
	#lastOfOthers = -1;

	/** The number of unread messages of other users. */
	get unread() {
		return this.#counted + this.#arrived.length;
	}

	/** Whether more may be unread, because the daemon stopped counting. */
	get isLowerBound() {
		return this.#counted >= MAX_COUNTED;
	}

	/**
	 * The id that the daemon has to store as the user's mark, or null. A conversation with unread messages and
	 * no mark needs one, because the daemon would count what it has delivered as read.
	 */
	get markToSend() {
		const mark = this.serverMark ?? -1;
		return this.readId > mark && this.#lastOfOthers > mark ? this.readId : null;
	}

	/** A message has just arrived. @param {number} id @param {boolean} own @param {boolean} mentioned @param {boolean} seen whether the end is in view */
	recordArrival(id, own, mentioned, seen) {
		if (!own) this.#lastOfOthers = Math.max(this.#lastOfOthers, id);
		if (!own && !seen) {
			if (this.unread === 0) {
				this.readId = Math.max(this.readId, id - 1);
				this.newAfter ??= this.readId;
			}
			if (this.#arrived.length === MAX_TRACKED_IDS) {
				this.#counted++;
				this.#countedUpTo = Math.max(this.#countedUpTo, this.#arrived.shift() ?? 0);
			}
			this.#arrived.push(id);
			if (mentioned) this.addMentions([id]);
		}
		this.#lastId = Math.max(this.#lastId, id);
	}

	/** A page came with the login. @param {number[]} ids the missed messages of others on it @param {number} seen @param {number} lastId */
	recordMissed(ids, seen, lastId) {
		this.readId = Math.max(this.readId, seen);
		this.#arrived = sorted([...this.#arrived, ...ids]);
		this.#lastId = Math.max(this.#lastId, lastId);
		this.#lastOfOthers = Math.max(this.#lastOfOthers, ids.at(-1) ?? -1);
	}

	/** These unread messages mention the user. @param {number[]} ids */
	addMentions(ids) {
		if (this.unread === 0) return;
		const unread = ids.filter((one) => one > this.readId);
		this.mentions = sorted([...this.mentions, ...unread]).slice(-MAX_TRACKED_IDS);
		this.#newMentions = sorted([...this.#newMentions, ...unread]).slice(-MAX_TRACKED_IDS);
	}

	/** A list after the login has a count of messages that do not come. @param {number} unread @param {number} last */
	countFromList(unread, last) {
		this.#setCount(unread, last);
	}

	/**
	 * The daemon's mark and count. Without a mark, it has counted the messages from `seen`, the last seen id, to
	 * `cursor`, the end of the log at the login. The own mark wins if it is further ahead.
	 * @param {Wired} summary @param {number} seen @param {number} cursor
	 */
	applySummary({ read, marked, unread, last }, seen, cursor) {
		this.#lastId = Math.max(this.#lastId, last);
		if (read || marked) {
			this.serverMark = Math.max(read ?? 0, this.serverMark ?? 0);
			if (this.serverMark >= this.#seenId) {
				this.readId = this.serverMark;
				this.#setCount(unread, last);
			}
		} else if (this.#first && this.#seenId === 0) {
			this.readId = seen;
			this.#setCount(unread, cursor);
		}
		this.#first = false;
		if (this.unread > 0) this.#lastOfOthers = Math.max(this.#lastOfOthers, last);
	}

	/** The mark on the daemon is `id` now; return false if the counts have to be read again. @param {number} id */
	moveMark(id) {
		this.serverMark = Math.max(this.serverMark ?? 0, id);
		if (id <= this.readId) return true;
		this.readId = id;
		this.#arrived = this.#arrived.filter((one) => one > id);
		this.mentions = this.mentions.filter((one) => one > id);
		if (id >= this.#countedUpTo) this.#counted = 0;
		return this.#counted === 0;
	}

	/** The user has seen the end; return whether anything was unread. */
	seeAll() {
		const before = this.unread;
		this.readId = Math.max(this.readId, this.#lastId, this.#counted > 0 ? this.#countedUpTo : 0);
		this.#seenId = this.readId;
		this.#counted = 0;
		this.#arrived = [];
		this.mentions = [];
		return before > 0;
	}

	/** The conversation is shown: the line stands where the unread messages begin. */
	enter() {
		this.newAfter = this.unread > 0 ? this.readId : null;
		this.#jumps = 0;
	}

	/**
	 * Return where the next press of the key leads: to the first new message, then to each new one that mentions
	 * the user, and again. It is null without new messages.
	 */
	nextJump() {
		if (this.newAfter === null) return null;
		const at = this.#jumps++ % (1 + this.#newMentions.length);
		return at === 0 ? { id: this.newAfter + 1, mention: false } : { id: this.#newMentions[at - 1], mention: true };
	}

	/** Another conversation is shown. */
	leave() {
		if (this.unread > 0) return;
		this.newAfter = null;
		this.#newMentions = [];
	}

	/** @param {number} unread @param {number} upTo */
	#setCount(unread, upTo) {
		this.#counted = unread;
		this.#countedUpTo = upTo;
		this.#arrived = this.#arrived.filter((one) => one > Math.max(upTo, this.readId));
		this.mentions = unread + this.#arrived.length > 0 ? this.mentions.filter((one) => one > this.readId) : [];
	}
}

/** @param {number[]} ids */
const sorted = (ids) => [...new Set(ids)].sort((one, other) => one - other);
