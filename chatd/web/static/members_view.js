/** Who is in the open conversation. Long lists are put into the document as they are scrolled. */

import { byId, eachFrame, el, name } from "./dom.js";
import { t } from "./language.js";

const CHUNK = 150;
const ROLES = ["owner", "operator", "member"];

export class MembersView {
	#filter = "";
	#limit = CHUNK;
	/** @type {Member[]} */ #shown = [];

	/** @param {import("./state.js").ChatState} state @param {(member: Member) => void} chosen */
	constructor(state, chosen) {
		this.state = state;
		this.chosen = chosen;
		this.panel = byId("members");
		this.list = byId("members-list");
		this.filter = /** @type {HTMLInputElement} */ (byId("members-filter"));
		this.filter.addEventListener("input", () => {
			this.#filter = this.filter.value.trim().toLowerCase();
			this.#limit = CHUNK;
			this.render();
		});
		const more = eachFrame(() => this.#more());
		this.list.addEventListener("scroll", more, { passive: true });
		this.list.addEventListener("focusin", more);
	}

	/** Begin anew, with another conversation. */
	reset() {
		this.#limit = CHUNK;
		this.#filter = this.filter.value = "";
		this.list.scrollTop = 0;
		this.render();
	}

	/** @returns {Member[]} */
	#members() {
		const { current, online, members } = this.state;
		if (current.kind === "group") return [...(members.get(current.name)?.values() ?? [])];
		const names = current.kind === "lobby" ? [...online] : [this.state.me, current.name].filter((one, n, all) => all.indexOf(one) === n);
		return names.map((one) => ({ name: one, role: "member", online: online.has(one) }));
	}

	render() {
		const all = this.#members();
		byId("members-count").textContent = all.length > 0 ? String(all.length) : "";
		const { current } = this.state;
		byId("members-title").textContent = t(current.kind === "group" ? "Members ({n})" : "Connected ({n})", { n: all.length });
		if (this.panel.hidden) return;
		const found = this.#filter ? all.filter((one) => one.name.toLowerCase().includes(this.#filter)) : all;
		const rank = (/** @type {Member} */ one) => (one.online ? 0 : 10) + ROLES.indexOf(one.role);
		found.sort((a, b) => rank(a) - rank(b) || collator.compare(a.name, b.name));
		this.#shown = found;
		const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("#members-list li"))?.dataset.nick;
		const top = this.list.scrollTop;
		this.list.replaceChildren(...found.slice(0, this.#limit).map((one) => this.#row(one)));
		this.list.scrollTop = top;
		if (focused !== undefined) {
			const again = [...this.list.children].find((one) => /** @type {HTMLElement} */ (one).dataset.nick === focused);
			/** @type {HTMLElement | null | undefined} */ (again?.querySelector("button"))?.focus({ preventScroll: true });
		}
	}

	#more() {
		const { scrollTop, clientHeight, scrollHeight } = this.list;
		const near = scrollTop + clientHeight > scrollHeight - 800;
		if (!near || this.#limit >= this.#shown.length) return;
		const next = this.#shown.slice(this.#limit, this.#limit + CHUNK);
		this.#limit += CHUNK;
		this.list.append(...next.map((one) => this.#row(one)));
	}

	/** @param {Member} member */
	#row(member) {
		const row = el("button", member.online ? "" : "away", el("span", `dot${member.online ? " online" : ""}`), el("span", "name", name(member.name)));
		row.type = "button";
		row.setAttribute("aria-haspopup", "dialog");
		if (member.role !== "member") row.append(el("span", "role", t(member.role)));
		row.append(el("span", "hidden", t(member.online ? "online" : "away")));
		row.addEventListener("click", () => this.chosen(member));
		const item = el("li", "", row);
		item.dataset.nick = member.name;
		return item;
	}
}

const collator = new Intl.Collator(undefined, { sensitivity: "base" });
