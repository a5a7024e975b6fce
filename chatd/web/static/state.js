/**
 * What the user can see of the chat: conversations with their entries, groups, members and who is connected.
 * It is changed by the objects of the wire only, and knows no DOM.
 */

import { ReadState } from "./read_state.js";
import { mentions } from "./text.js";

export const LOBBY = "lobby";

/** @param {Kind} kind @param {string} name */
export const keyOf = (kind, name) => (kind === "lobby" ? LOBBY : `${kind}:${name}`);

export class ChatState {
	me = "";
	colour = "";
	seen = 0;
	cursor = 0;
	/** Whether the daemon's read marks and counts are known. Before that nothing counts as read. */
	counted = false;
	/** @type {Map<string, Conversation>} */ conversations = new Map();
	/** @type {Map<string, Wired>} */ groups = new Map();
	/** @type {Map<string, Map<string, Member>>} */ members = new Map();
	/** @type {Set<string>} */ online = new Set();
	/** @type {Map<string, string>} */ colours = new Map();
	/** @type {Map<string, string>} */ invitations = new Map();
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
				newer: false, trimmed: 0, read: new ReadState(),
			};
			this.conversations.set(key, found);
		}
		return found;
	}

	/** @returns {Conversation} */
	get current() {
		return this.conversations.get(this.active) ?? this.conversation("lobby", "");
	}

	/** Return the entry of the open conversation with this id. @param {number} id @returns {Entry | undefined} */
	entry(id) {
		const { entries } = this.current;
		const found = entries[find(entries, id)];
		return found?.id === id ? found : undefined;
	}

	/** Start from the welcome of a login that resumes nothing. @param {Wired} welcome */
	begin(welcome) {
		this.identify(welcome);
		this.counted = false;
		this.conversations.clear();
		this.members.clear();
		this.invitations.clear();
		this.conversation("lobby", "");
	}

	/** @param {Wired} welcome */
	identify(welcome) {
		this.me = welcome.user.nick;
		this.seen = welcome.seen;
		this.cursor = welcome.cursor;
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
				for (const { kind, name, unread, last } of object.conversations) this.conversation(kind, name).read.countFromList(unread, last);
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
		const { entries, newer } = conversation;
		// Behind a page from the past the entries in between are missing.
		if (newer ? find(entries, entry.id) < entries.length : !insert(entries, entry)) return [];
		const mentioned = this.#mentions(conversation, entry);
		if (entry.from !== undefined) {
			const seen = this.reading && conversation.key === this.active && !newer;
			conversation.read.recordArrival(entry.id, entry.from === this.me, mentioned, seen);
			if (seen) conversation.read.seeAll();
		}
		return [{ what: "entry", conversation, entry, mentioned }];
	}

	/** Whether an entry is another user's message that mentions the user. In private no mention is needed. @param {Conversation} conversation @param {Entry} entry */
	#mentions(conversation, entry) {
		return conversation.kind !== "direct" && entry.from !== undefined && entry.from !== this.me && mentions(entry.msg ?? "", this.me);
	}

	/** Look for mentions among the unread messages that are there. @param {Conversation} conversation */
	findMentions(conversation) {
		const { entries, read } = conversation;
		if (read.unread === 0) return;
		const unread = entries.slice(find(entries, read.readId + 1));
		read.addMentions(unread.filter((one) => this.#mentions(conversation, one)).map((one) => one.id));
	}

	/** Make a conversation the active one. @param {string} key */
	activate(key) {
		if (this.active === key || !this.conversations.has(key)) return;
		this.current.read.leave();
		this.active = key;
		this.current.read.enter();
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
		const { deleted, edited, message } = object;
		const target = deleted ?? edited ?? message;
		if (target) {
			for (const { entries } of this.conversations.values()) {
				const at = find(entries, target);
				if (entries[at]?.id === target) entries[at] = changed(entries[at], object);
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
		Object.assign(conversation, { gone: false, loaded: false, events: false, complete: false, newer: false });
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

	/** The conversation of a page. @param {Wired} page */
	#pageConversation(page) {
		return page.group ? this.conversation("group", page.group) : page.with ? this.conversation("direct", page.with) : this.conversation("lobby", "");
	}

	/**
	 * Take in a page of messages. `before` is the id that it was asked for, null for the last page.
	 * @param {Wired} page @param {number | null} before
	 */
	page(page, before) {
		const conversation = this.#pageConversation(page);
		const entries = this.#merge(conversation, page);
		if (before === null) conversation.loaded = true;
		if (!page.more) conversation.complete = true;
		if (page.trimmed) conversation.trimmed = page.trimmed;
		if (page.seen !== undefined) {
			const missed = entries.filter((one) => one.id > page.seen && one.from !== this.me).map((one) => one.id);
			conversation.read.recordMissed(missed, page.seen, entries.at(-1)?.id ?? 0);
		}
		this.findMentions(conversation);
		return conversation;
	}

	/** Show a page around an entry instead of what is there. @param {Wired} page */
	around(page) {
		const conversation = this.#pageConversation(page);
		conversation.entries.length = 0;
		this.#merge(conversation, page);
		this.events(conversation.name, page.events ?? []);
		Object.assign(conversation, { loaded: true, events: true, complete: false, newer: true });
		return conversation;
	}

	/** Take in the page that follows the last entry. @param {Wired} page */
	later(page) {
		const conversation = this.#pageConversation(page);
		this.#merge(conversation, page);
		this.events(conversation.name, page.events ?? []);
		if (!page.more) conversation.newer = false;
		return conversation;
	}

	/** @param {Conversation} conversation @param {Wired} page @returns {Entry[]} */
	#merge(conversation, page) {
		const entries = page.messages.map((/** @type {Wired} */ one) => messageEntry(one, this));
		merge(conversation.entries, entries);
		return entries;
	}

	/** Take in a page of events of a group. @param {string} group @param {Wired[]} events */
	events(group, events) {
		const conversation = this.conversations.get(keyOf("group", group));
		if (conversation !== undefined) merge(conversation.entries, events.filter((one) => !(one.edited ?? one.message)).map(eventEntry));
	}

	/** Take in the list of the user's conversations, with read marks and counts. @param {Wired[]} list */
	summaries(list) {
		for (const summary of list) {
			const conversation = this.conversation(summary.kind, summary.name);
			conversation.read.applySummary(summary, this.seen, this.cursor);
			this.findMentions(conversation);
		}
		if (!this.counted) this.current.read.enter();
		this.counted = true;
	}

	/**
	 * Another session of the user has moved a read mark. Return whether the counts have to be read again.
	 * @param {Wired} object
	 */
	moveMark({ group, with: nick, id }) {
		const kind = group ? "group" : nick ? "direct" : "lobby";
		return this.conversations.get(keyOf(kind, group ?? nick ?? ""))?.read.moveMark(id) === false;
	}

	/** Take in the list of all groups that the user can see. @param {Wired[]} rows */
	setGroups(rows) {
		this.groups = new Map(rows.map((row) => [row.group, row]));
		for (const row of rows) {
			if (row.role === "invited") {
				if (!this.invitations.has(row.group)) this.invitations.set(row.group, "");
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

	/** The number of all unread messages, and of those that concern the user in person, with the invitations. */
	get unread() {
		let all = 0;
		let personal = this.invitations.size;
		for (const { kind, read } of this.conversations.values()) {
			all += read.unread;
			personal += kind === "direct" ? read.unread : read.mentions.length;
		}
		return { all, personal };
	}
}

/** Return an entry as an event has changed it, by which it was deleted, edited or reacted to. @param {Entry} entry @param {Wired} event @returns {Entry} */
function changed(entry, { id, event, actor, deleted, edited, msg, kind, reaction }) {
	const version = (entry.version ?? 0) + 1;
	if (deleted) return { ...entry, msg: "", deleted: true, reactions: undefined, version };
	if (edited) return msg === undefined ? entry : { ...entry, kind: undefined, ...spoken(msg, kind), edited: id, version };
	const found = entry.reactions ?? [];
	const rest = found.map((one) => (one.reaction === reaction ? { reaction, nicks: one.nicks.filter((nick) => nick !== actor) } : one));
	const row = rest.find((one) => one.reaction === reaction);
	if (event === "reacted") {
		if (row === undefined) rest.push({ reaction, nicks: [actor] });
		else row.nicks.push(actor);
	}
	return { ...entry, reactions: rest.filter((one) => one.nicks.length > 0), version };
}

/** Return the kind of which the daemon stores a text that was sent without a kind. @param {string} text */
export const kindOf = (text) => (/^\/me \s*\S/u.test(text) ? "action" : "message");

/** Return the text and the kind of a message as an entry has them. @param {string} msg @param {string} [kind] */
function spoken(msg, kind) {
	/** @type {{msg: string, kind?: string}} */
	const found = { msg: kind === "action" ? msg.replace(/^\/me /u, "") : msg };
	if (kind === "image" || kind === "action" || kind === "notice") found.kind = kind;
	return found;
}

/** @param {Wired} message one that the user has sent, with its ack, or one from the daemon @returns {Entry} */
export function sayingEntry({ id, ts, from, msg, kind, reply_to, reply_from }) {
	/** @type {Entry} */
	const entry = { id, ts, from, ...spoken(msg, kind) };
	if (reply_to) Object.assign(entry, { reply_to, reply_from });
	return entry;
}

/** @param {Wired} message @param {ChatState} state @returns {Entry} */
function messageEntry(message, state) {
	if (message.colour) state.colours.set(message.from, message.colour);
	const entry = sayingEntry(message);
	if (message.deleted) entry.deleted = true;
	if (message.edited) entry.edited = 1;
	if (message.reactions) entry.reactions = message.reactions;
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
