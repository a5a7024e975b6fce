/**
 * Messages that the daemon has not acknowledged yet. Each keeps its `ref`, so that the daemon stores it once
 * however often it is sent. They are kept in the browser's storage until then.
 */

const PREFIX = "chatd:out:";

export class Outbox {
	/** @type {Map<string, Item>} */ #items = new Map();
	#nick = "";

	/** @param {Storage} storage @param {() => string} newRef @param {() => number} now */
	constructor(storage, newRef, now) {
		this.storage = storage;
		this.newRef = newRef;
		this.now = now;
	}

	/** Load what a user has not sent yet; an empty nick is a guest. @param {string} nick */
	load(nick) {
		this.#nick = nick;
		this.#items.clear();
		const prefix = `${PREFIX}${nick}:`;
		/** @type {Item[]} */
		const found = [];
		for (let n = 0; n < this.storage.length; n++) {
			const key = this.storage.key(n) ?? "";
			if (!key.startsWith(prefix)) continue;
			try {
				const item = JSON.parse(this.storage.getItem(key) ?? "");
				found.push({ ...item, state: item.state === "failed" ? "failed" : "waiting" });
			} catch {
				// Written by another program: not ours.
			}
		}
		found.sort((one, other) => one.at - other.at);
		for (const item of found) this.#items.set(item.ref, item);
	}

	/** @param {{key: string, kind: Kind, name: string}} conversation @param {string} msg @param {boolean} image @param {Entry} [answered] */
	add(conversation, msg, image, answered) {
		const last = [...this.#items.values()].at(-1)?.at ?? 0;
		/** @type {Item} */
		const item = {
			ref: this.newRef(), key: conversation.key, kind: conversation.kind, name: conversation.name, msg, image,
			at: Math.max(this.now(), last + 1), state: "waiting", refusal: null,
		};
		if (answered !== undefined) Object.assign(item, { reply_to: answered.id, reply_from: answered.from });
		this.#items.set(item.ref, item);
		this.#store(item);
		return item;
	}

	/** The items that are to be sent, in the order in which they were written. */
	waiting() {
		return [...this.#items.values()].filter((item) => item.state === "waiting");
	}

	/** @param {string} key */
	of(key) {
		return [...this.#items.values()].filter((item) => item.key === key);
	}

	get size() {
		return this.#items.size;
	}

	/** Return the request that sends an item. @param {Item} item @returns {Wired} */
	request(item) {
		item.state = "sent";
		item.refusal = null;
		/** @type {Wired} */
		const request = { action: "client-broadcast", msg: item.msg, ref: item.ref };
		if (item.kind === "group") Object.assign(request, { action: "gbroadcast", group: item.name });
		if (item.kind === "direct") Object.assign(request, { action: "client-send", dest: item.name });
		if (item.image) request.kind = "image";
		if (item.reply_to) request.reply_to = item.reply_to;
		return request;
	}

	/** Take in an answer; return the item that it is for. @param {Wired} answer @returns {Item | null} */
	answered(answer) {
		const item = this.#items.get(answer.ref);
		if (item === undefined) return null;
		if (answer.action === "server-ack") this.remove(item.ref);
		// A daemon that ends takes it on the next connection.
		else if (answer.code === "shutting_down") Object.assign(item, { state: "waiting", again: true });
		else this.fail(item, answer);
		return item;
	}

	/** @param {Item} item @param {Wired} refusal */
	fail(item, refusal) {
		item.state = "failed";
		item.refusal = refusal;
		this.#store(item);
	}

	/** The connection is lost: what has no answer is sent again. */
	lost() {
		for (const item of this.#items.values()) {
			if (item.state === "sent") Object.assign(item, { state: "waiting", again: true });
		}
	}

	/** A message was stored, though its ack was lost: do not send it again. @param {string} key @param {string} msg */
	stored(key, msg) {
		const item = this.of(key).find((one) => one.again && one.msg === msg);
		if (item !== undefined) this.remove(item.ref);
	}

	/** Send an item again. @param {string} ref */
	retry(ref) {
		const item = this.#items.get(ref);
		if (item === undefined) return;
		item.state = "waiting";
		item.refusal = null;
		this.#store(item);
	}

	/** @param {string} ref */
	remove(ref) {
		this.#items.delete(ref);
		try {
			this.storage.removeItem(`${PREFIX}${this.#nick}:${ref}`);
		} catch {
			// Without storage the message was in memory only.
		}
	}

	/** @param {Item} item */
	#store(item) {
		try {
			this.storage.setItem(`${PREFIX}${this.#nick}:${item.ref}`, JSON.stringify(item));
		} catch {
			// A full storage: the message is in memory until the page is left.
		}
	}
}
