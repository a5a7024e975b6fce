/**
 * What the user can see of the chat: conversations with their entries, groups, members and who is connected.
 * It is changed by the objects of the wire only, and knows no DOM.
 */

import { mentions } from "./text.js";

export const LOBBY = "lobby";

/** @param {Kind} kind @param {string} name */
export const keyOf = (kind, name) => (kind === "lobby" ? LOBBY : `${kind}:${name}`);

export class ChatState {
	me = "";
	colour = "";
	seen = 0;
	/** @type {Map<string, Conversation>} */ conversations = new Map();
	/** @type {Map<string, Wired>} */ groups = new Map();
	/** @type {Map<string, Map<string, Member>>} */ members = new Map();
	/** @type {Set<string>} */ online = new Set();
	/** @type {Map<string, string>} */ colours = new Map();
	/** @type {Map<string, string>} */ invitations = new Map();
	/** @type {Record<string, number>} */ marks = {};
	active = LOBBY;
	/** Whether new messages of the active conversation are read at once. */
	reading = true;

	constructor() {
		this.conversation("lobby", "");
	}

	/** @param {Kind} kind @param {string} name @returns {Conversation} */
	conversation(kind, name) {
		const key = keyOf(kind, name);
		let found = this.conversations.get(key);
		if (found === undefined) {
			found = {
				key, kind, name: kind === "lobby" ? "" : name, entries: [], loaded: false, events: kind !== "group", complete: false, gone: false,
				trimmed: 0, unread: 0, mentions: 0, mark: this.marks[key] ?? this.seen, newAfter: null,
			};
			this.conversations.set(key, found);
		}
		return found;
	}

	/** @returns {Conversation} */
	get current() {
		return this.conversations.get(this.active) ?? this.conversation("lobby", "");
	}

	/** Start from the welcome of a login that resumes nothing. @param {Wired} welcome @param {Record<string, number>} marks */
	begin(welcome, marks) {
		this.identify(welcome);
		this.seen = welcome.returning ? welcome.seen : welcome.cursor;
		// Marks beyond the last id belong to another log.
		this.marks = Object.values(marks).some((id) => id > welcome.cursor) ? {} : { ...marks };
		this.conversations.clear();
		this.members.clear();
		this.invitations.clear();
		this.conversation("lobby", "");
	}

	/** @param {Wired} welcome */
	identify(welcome) {
		this.me = welcome.user.nick;
		this.colour = welcome.user.colour;
		this.colours.set(this.me, this.colour);
	}

	/**
	 * Take in an object that the daemon sends by itself, and return what is new to the user.
	 * @param {Wired} object
	 * @returns {News[]}
	 */
	receive(object) {
		switch (object.action) {
			case "server-broadcast":
			case "server-gbroadcast":
			case "server-send":
				return this.#message(object);
			case "server-event":
				return object.id === undefined ? this.#presence(object) : this.event(object);
			case "server-history":
				this.page(object, null);
				return [];
			case "server-conversations":
				this.summaries(object.conversations, true);
				return [];
		}
		return [];
	}

	/** @param {Wired} message */
	#message(message) {
		const conversation = message.group
			? this.conversation("group", message.group)
			: message.to
				? this.conversation("direct", message.to === this.me ? message.from : message.to)
				: this.conversation("lobby", "");
		return this.#add(conversation, messageEntry(message, this));
	}

	/** Add the user's own message, which the daemon has acknowledged. @param {Conversation} conversation @param {Entry} entry */
	own(conversation, entry) {
		return this.#add(conversation, entry);
	}

	/** @param {Conversation} conversation @param {Entry} entry @returns {News[]} */
	#add(conversation, entry) {
		if (!insert(conversation.entries, entry)) return [];
		const own = (entry.from ?? entry.actor) === this.me;
		let mentioned = false;
		if (entry.from !== undefined && !own) {
			mentioned = conversation.kind !== "direct" && mentions(entry.msg ?? "", this.me);
			if (this.reading && conversation.key === this.active) {
				this.#setMark(conversation, entry.id);
			} else {
				if (conversation.unread === 0 && conversation.newAfter === null) conversation.newAfter = entry.id - 1;
				conversation.unread++;
				if (mentioned || conversation.kind === "direct") conversation.mentions++;
			}
		} else if (own && conversation.unread === 0) {
			this.#setMark(conversation, entry.id);
		}
		return [{ what: "entry", conversation, entry, mentioned }];
	}

	/** @param {Conversation} conversation @param {number} id */
	#setMark(conversation, id) {
		if (id > conversation.mark) conversation.mark = id;
		this.marks[conversation.key] = conversation.mark;
	}

	/** Note that the user has read a conversation to its end. @param {Conversation} conversation */
	read(conversation) {
		const last = conversation.entries.at(-1);
		if (last !== undefined) this.#setMark(conversation, last.id);
		conversation.unread = conversation.mentions = 0;
	}

	/** Make a conversation the active one. @param {string} key */
	activate(key) {
		const before = this.current;
		if (before.key !== key && before.unread === 0) before.newAfter = null;
		if (this.conversations.has(key)) this.active = key;
	}

	/** @param {Wired} object @returns {News[]} */
	#presence(object) {
		if (object.event === "announced") return [{ what: "announced", actor: object.actor, text: object.msg }];
		this.setOnline(object.actor, object.event === "arrived");
		if (object.colour) this.colours.set(object.actor, object.colour);
		return [];
	}

	/** @param {string} nick @param {boolean} online */
	setOnline(nick, online) {
		if (online) this.online.add(nick);
		else this.online.delete(nick);
		for (const members of this.members.values()) {
			const member = members.get(nick);
			if (member !== undefined) member.online = online;
		}
	}

	/**
	 * Take in an event of a group, or the change of a message.
	 * @param {Wired} object
	 * @returns {News[]}
	 */
	event(object) {
		const { group, event, actor, subject, id } = object;
		const { deleted, message, msg, kind } = object;
		const target = deleted ?? object.edited ?? message;
		if (target) {
			for (const { entries } of this.conversations.values()) {
				const at = find(entries, target);
				const entry = /** @type {any} */ (entries[at]);
				if (entry?.id === target && (deleted || msg))
					entries[at] = { ...sayingEntry({ ...entry, msg: msg ?? "", kind }), deleted: !!deleted, edited: id };
			}
			if (!deleted || !group) return [];
		}
		const about = subject || actor;
		const mine = about === this.me;
		if (event === "invited" && mine) {
			this.invitations.set(group, actor);
			return [{ what: "invited", group, actor }];
		}
		if (mine && (event === "uninvited" || event === "declined" || event === "joined")) this.invitations.delete(group);
		if (mine && (event === "joined" || event === "created")) this.enter(group);
		const conversation = this.conversations.get(keyOf("group", group));
		this.#changeGroup(object, about, mine, conversation);
		return conversation === undefined ? [] : this.#add(conversation, eventEntry(object));
	}

	/** The user is a member of a group. What was written while the user was none must be read. @param {string} group */
	enter(group) {
		const conversation = this.conversation("group", group);
		if (!conversation.gone) return;
		conversation.entries.length = 0;
		Object.assign(conversation, { gone: false, loaded: false, events: false, complete: false });
	}

	/** @param {Wired} object @param {string} about @param {boolean} mine @param {Conversation | undefined} conversation */
	#changeGroup(object, about, mine, conversation) {
		const { group, event } = object;
		const row = this.groups.get(group);
		const members = this.members.get(group);
		const leaves = ["left", "kicked", "banned", "closed"].includes(event);
		if (leaves && (mine || event === "closed")) {
			if (conversation !== undefined) conversation.gone = true;
			this.members.delete(group);
			if (event === "closed") this.groups.delete(group);
			else if (row !== undefined) row.role = "";
		} else if (leaves) {
			if (members?.delete(about) && row !== undefined) row.members--;
		} else if (event === "joined" || event === "created") {
			if (members !== undefined && !members.has(about)) {
				members.set(about, { name: about, role: event === "created" ? "owner" : "member", online: this.online.has(about) });
				if (row !== undefined) row.members++;
			}
			if (mine && row !== undefined) row.role ||= "member";
			if (mine && event === "created") {
				const { visibility } = object;
				this.groups.set(group, { group, visibility, topic: "", members: 1, role: "owner", owner: about });
			}
		} else if (event === "promoted" || event === "demoted") {
			const role = event === "promoted" ? (object.role ?? "operator") : "member";
			const member = members?.get(about);
			if (member !== undefined) member.role = role;
			if (mine && row !== undefined) row.role = role;
		} else if (row !== undefined && ["topic", "visibility", "history"].includes(event)) {
			row[event] = object[event] ?? "";
		}
	}

	/**
	 * Take in a page of messages. `before` is the id that it was asked for, null for the last page.
	 * @param {Wired} page @param {number | null} before
	 */
	page(page, before) {
		const conversation = page.group
			? this.conversation("group", page.group)
			: page.with
				? this.conversation("direct", page.with)
				: this.conversation("lobby", "");
		const entries = page.messages.map((/** @type {Wired} */ one) => messageEntry(one, this));
		merge(conversation.entries, entries);
		if (before === null) conversation.loaded = true;
		if (!page.more) conversation.complete = true;
		if (page.trimmed) conversation.trimmed = page.trimmed;
		if (page.seen !== undefined) {
			const mark = this.marks[conversation.key] ?? page.seen;
			conversation.mark = mark;
			this.#count(conversation);
		}
		return conversation;
	}

	/** Count the unread messages of a page that came with the login. @param {Conversation} conversation */
	#count(conversation) {
		conversation.unread = conversation.mentions = 0;
		for (const entry of conversation.entries) {
			if (entry.id <= conversation.mark || entry.from === undefined || entry.from === this.me) continue;
			conversation.unread++;
			if (conversation.kind === "direct" || mentions(entry.msg ?? "", this.me)) conversation.mentions++;
		}
		conversation.newAfter = conversation.unread > 0 ? conversation.mark : null;
	}

	/** Take in a page of events of a group. @param {string} group @param {Wired[]} events */
	events(group, events) {
		const conversation = this.conversations.get(keyOf("group", group));
		if (conversation !== undefined) merge(conversation.entries, events.filter((one) => !(one.edited ?? one.message)).map(eventEntry));
	}

	/**
	 * Take in a list of conversations. `counted` says whether its counts of unread messages are those at login.
	 * @param {Wired[]} summaries @param {boolean} counted
	 */
	summaries(summaries, counted) {
		for (const { kind, name, unread } of summaries) {
			const conversation = this.conversation(kind, name);
			if (counted && !conversation.loaded) {
				conversation.unread = unread;
				if (unread > 0 && kind === "direct") conversation.mentions = unread;
				conversation.newAfter = unread > 0 ? conversation.mark : null;
			}
		}
	}

	/** Take in the list of all groups that the user can see. @param {Wired[]} rows */
	setGroups(rows) {
		this.groups = new Map(rows.map((row) => [row.group, row]));
		for (const row of rows) {
			if (row.role === "invited") {
				if (!this.invitations.has(row.group)) this.invitations.set(row.group, row.owner);
			} else {
				this.invitations.delete(row.group);
				if (row.role) this.enter(row.group);
			}
		}
		for (const conversation of this.conversations.values()) {
			if (conversation.kind === "group" && !["owner", "operator", "member"].includes(this.groups.get(conversation.name)?.role)) {
				conversation.gone = true;
			}
		}
	}

	/** @param {string} group @param {Wired[]} members */
	setMembers(group, members) {
		this.members.set(group, new Map(members.map((one) => [one.name, /** @type {Member} */ (one)])));
	}

	/** Remove a conversation from the list. @param {string} key */
	forget(key) {
		if (key === LOBBY) return;
		this.conversations.delete(key);
		if (this.active === key) this.active = LOBBY;
	}

	/** The number of unread messages that concern the user in person, and of all others. */
	get unread() {
		let all = 0;
		let personal = this.invitations.size;
		for (const one of this.conversations.values()) {
			all += one.unread;
			personal += one.mentions;
		}
		return { all, personal };
	}
}

/** Return the kind of which the daemon stores a text that was sent without a kind. @param {string} text */
export const kindOf = (text) => (/^\/me \s*\S/u.test(text) ? "action" : "message");

/** @param {{id: number, ts: string, from: string, msg: string, kind?: string}} message @returns {Entry} */
export function sayingEntry({ id, ts, from, msg, kind }) {
	/** @type {Entry} */
	const entry = { id, ts, from, msg: kind === "action" ? msg.replace(/^\/me /u, "") : msg };
	if (kind === "image" || kind === "action" || kind === "notice") entry.kind = kind;
	return entry;
}

/** @param {Wired} message @param {ChatState} state @returns {Entry} */
function messageEntry(message, state) {
	if (message.colour) state.colours.set(message.from, message.colour);
	const entry = sayingEntry(/** @type {any} */ (message));
	if (message.deleted) entry.deleted = true;
	return entry;
}

/** @param {Wired} object @returns {Entry} */
function eventEntry(object) {
	const { id, ts, event, actor, subject, action, group, seq, ...details } = object;
	return { id, ts, event, actor, subject, details };
}

/** Return the index of the first entry with at least this id. @param {Entry[]} entries @param {number} id */
export function find(entries, id) {
	let low = 0;
	let high = entries.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (entries[middle].id < id) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Insert an entry unless it is there. @param {Entry[]} entries @param {Entry} entry */
function insert(entries, entry) {
	const last = entries.at(-1);
	if (last === undefined || last.id < entry.id) {
		entries.push(entry);
		return true;
	}
	const at = find(entries, entry.id);
	if (entries[at]?.id === entry.id) return false;
	entries.splice(at, 0, entry);
	return true;
}

/** Insert a page, whose entries are in order; those that are there already stay. @param {Entry[]} entries @param {Entry[]} page */
function merge(entries, page) {
	if (page.length === 0) return;
	if (entries.length === 0 || page[page.length - 1].id < entries[0].id) {
		entries.unshift(...page);
		return;
	}
	const known = new Set(entries.map((one) => one.id));
	const fresh = page.filter((one) => !known.has(one.id));
	if (fresh.length === 0) return;
	entries.push(...fresh);
	entries.sort((one, other) => one.id - other.id);
}
