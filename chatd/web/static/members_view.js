/** Who is in the open conversation. Of a long list only the rows in view are in the document. */

import { byId, eachFrame, el, name } from "./dom.js";
import { t } from "./language.js";

const OVERSCAN = 20;
const ROLES = ["owner", "operator", "member"];

export class MembersView {
	/** @type {Member[]} */ #shown = [];
	#version = "";
	#height = 32;

	/** @param {import("./state.js").ChatState} state @param {(member: Member) => void} chosen */
	constructor(state, chosen) {
		this.state = state;
		this.chosen = chosen;
		this.panel = byId("members");
		this.list = byId("members-list");
		this.filter = /** @type {HTMLInputElement} */ (byId("members-filter"));
		this.filter.addEventListener("input", () => this.render());
		this.list.addEventListener("scroll", eachFrame(() => this.#renderRows()), { passive: true });
	}

	/** Begin anew, with another conversation. */
	reset() {
		this.filter.value = "";
		this.list.scrollTop = 0;
		this.render();
	}

	/** @returns {Member[]} */
	#members() {
		const { current, online, members } = this.state;
		if (current.kind === "group") return [...(members.get(current.name)?.values() ?? [])];
		const names = current.kind === "lobby" ? online : new Set([this.state.me, current.name]);
		return Array.from(names, (one) => ({ name: one, role: "member", online: online.has(one) }));
	}

	render() {
		const all = this.#members();
		const { length } = all;
		byId("members-count").textContent = length > 0 ? String(length) : "";
		byId("members-title").textContent = t(this.state.current.kind === "lobby" ? "Connected ({n})" : "Members ({n})", { n: length });
		if (this.panel.hidden) return;
		const wanted = this.filter.value.trim().toLowerCase();
		// Comparing lower case is fast enough for thousands; the rules of a language are not.
		const keyed = all
			.map((member) => ({ member, key: member.name.toLowerCase(), rank: (member.online ? 0 : 10) + ROLES.indexOf(member.role) }))
			.filter(({ key }) => key.includes(wanted));
		keyed.sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
		this.#shown = keyed.map(({ member }) => member);
		this.#version = "";
		this.#renderRows();
	}

	#renderRows() {
		const { list } = this;
		const first = Math.max(0, Math.floor(list.scrollTop / this.#height) - OVERSCAN);
		const last = Math.ceil((list.scrollTop + (list.clientHeight || innerHeight)) / this.#height) + OVERSCAN;
		const version = `${first}-${last}`;
		if (version === this.#version) return;
		this.#version = version;
		const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("#members-list li"))?.dataset.nick;
		const rows = this.#shown.slice(first, last);
		list.replaceChildren(...rows.map((one) => this.#row(one)));
		list.style.setProperty("--above", `${first * this.#height}px`);
		list.style.setProperty("--below", `${Math.max(0, this.#shown.length - last) * this.#height}px`);
		this.#height = list.firstElementChild?.getBoundingClientRect().height || this.#height;
		const again = rows.findIndex((one) => one.name === focused);
		if (focused !== undefined && again >= 0) list.children[again].querySelector("button")?.focus({ preventScroll: true });
	}

	/** @param {Member} member */
	#row(member) {
		const state = t(member.online ? "online" : "away");
		const row = el("button", member.online ? "" : "away", el("span", `dot${member.online ? " online" : ""}`), el("span", "name", name(member.name)));
		row.type = "button";
		row.setAttribute("aria-haspopup", "dialog");
		if (member.role !== "member") row.append(el("span", "role", t(member.role)));
		row.append(el("span", "hidden", state));
		row.addEventListener("click", () => this.chosen(member));
		const item = el("li", "", row);
		item.dataset.nick = member.name;
		return item;
	}
}
