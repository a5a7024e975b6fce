/** The list of conversations and invitations. */

import { button, byId, byName, el, name, sentenceNodes } from "./dom.js";
import { t } from "./language.js";

export class RoomsView {
	/** @type {Map<string, HTMLButtonElement>} */ #buttons = new Map();

	/**
	 * @param {import("./state.js").ChatState} state
	 * @param {{open: (key: string) => void, join: (group: string) => void, decline: (group: string) => void, isQuiet: (key: string) => boolean}} actions
	 */
	constructor(state, actions) {
		this.state = state;
		this.actions = actions;
		this.lists = byId("rooms-lists");
		this.invitations = el("div");
		this.invitations.id = "invitations";
		this.sections = ["", "Groups", "Direct messages"].map((title) => {
			const list = el("ul");
			const section = el("section", "", ...(title ? [el("h2", "", t(title))] : []), list);
			section.dataset.title = title;
			return { section, list, title };
		});
		this.lists.append(this.invitations, ...this.sections.map((one) => one.section));
	}

	render() {
		this.#renderInvitations();
		const all = [...this.state.conversations.values()];
		const groups = all.filter((one) => one.kind === "group").sort((a, b) => byName(a.name, b.name));
		const last = (/** @type {Conversation} */ one) => one.entries.at(-1)?.id ?? 0;
		const direct = all.filter((one) => one.kind === "direct").sort((a, b) => last(b) - last(a) || byName(a.name, b.name));
		const lobby = all.filter((one) => one.kind === "lobby");
		[lobby, groups, direct].forEach((conversations, n) => {
			const { section, list, title } = this.sections[n];
			section.hidden = conversations.length === 0;
			const heading = section.querySelector("h2");
			if (heading !== null) heading.textContent = t(title);
			this.#fill(list, conversations);
		});
		for (const key of this.#buttons.keys()) if (!this.state.conversations.has(key)) this.#buttons.delete(key);
	}

	/** @param {HTMLUListElement} list @param {Conversation[]} conversations */
	#fill(list, conversations) {
		let next = list.firstElementChild;
		for (const conversation of conversations) {
			let room = this.#buttons.get(conversation.key);
			if (room === undefined) {
				room = el("button", "room");
				room.type = "button";
				room.dataset.key = conversation.key;
				room.addEventListener("click", () => this.actions.open(conversation.key));
				this.#buttons.set(conversation.key, room);
				el("li", "", room);
			}
			this.#update(room, conversation);
			const item = /** @type {HTMLElement} */ (room.parentElement);
			if (item === next) next = next.nextElementSibling;
			else list.insertBefore(item, next);
		}
		while (next !== null) {
			const gone = next;
			next = next.nextElementSibling;
			gone.remove();
		}
	}

	/** @param {HTMLButtonElement} room @param {Conversation} conversation */
	#update(room, conversation) {
		const { kind, read, gone } = conversation;
		const { unread } = read;
		const mentions = kind === "direct" ? 0 : read.mentions.length;
		const online = kind === "direct" && this.state.online.has(conversation.name);
		const active = conversation.key === this.state.active;
		const quiet = this.actions.isQuiet(conversation.key);
		const version = [t("Lobby"), unread, mentions, gone, online, active, quiet].join("|");
		if (room.dataset.version === version) return;
		room.dataset.version = version;
		room.className = `room${unread > 0 ? " unread" : ""}${gone ? " gone" : ""}`;
		if (active) room.setAttribute("aria-current", "true");
		else room.removeAttribute("aria-current");
		const sign = el("span", "sign");
		sign.setAttribute("aria-hidden", "true");
		if (kind === "direct") sign.append(el("span", `dot${online ? " online" : ""}`));
		else sign.append(kind === "group" ? "#" : "⌂");
		const shown = el("span", "name", kind === "lobby" ? t("Lobby") : name(conversation.name));
		room.replaceChildren(sign, shown);
		if (online) room.append(el("span", "hidden", t("online")));
		if (quiet) room.append(el("span", "quiet", t("quiet")));
		if (mentions > 0) room.append(countNode(`@${short(mentions)}`, "mentioned"));
		if (unread > 0) {
			const shown = read.isLowerBound ? "1000+" : short(unread);
			const said = mentions > 0 ? t("{n} unread, mentions: {m}", { n: shown, m: mentions }) : t("{n} unread", { n: shown });
			room.append(countNode(shown, kind === "direct" ? "mentioned" : ""), el("span", "hidden", said));
		}
	}

	#renderInvitations() {
		const version = JSON.stringify([t("Join"), ...this.state.invitations]);
		if (this.invitations.dataset.version === version) return;
		this.invitations.dataset.version = version;
		this.invitations.replaceChildren(
			...[...this.state.invitations].map(([group, actor]) => {
				// The list of groups does not say who has invited the user.
				const sentence = sentenceNodes(actor ? t("{actor} invites you to {group}") : `${t("Invitation")}: {group}`, { actor, group });
				const join = button(t("Join"), () => this.actions.join(group), "primary");
				const decline = button(t("Decline"), () => this.actions.decline(group));
				for (const one of [join, decline]) one.setAttribute("aria-label", `${one.textContent} ${group}`);
				return el("div", "invitation", el("p", "", ...sentence), el("p", "buttons", join, decline));
			}),
		);
	}
}

/** @param {string} text @param {string} className */
function countNode(text, className) {
	const count = el("span", `count ${className}`, text);
	count.setAttribute("aria-hidden", "true");
	return count;
}

/** @param {number} count */
const short = (count) => (count > 1000 ? "1000+" : String(count));
