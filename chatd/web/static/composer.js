/** Where messages and commands are typed: sending, completion with Tab, drafts, pictures. */

import { complete, hintFor } from "./completion.js";
import { button, byId, eachFrame } from "./dom.js";
import { t } from "./language.js";

const SHOWN_OFFERS = 12;

export class Composer {
	/** @type {{start: number, offers: string[], at: number} | null} */ #cycle = null;
	#setting = false;

	/**
	 * @param {{
	 *   table: () => import("./commands.js").CommandTable,
	 *   nicks: () => Iterable<string>, groups: () => Iterable<string>,
	 *   submit: (text: string) => boolean, changed: (text: string) => void, file: (file: File) => void,
	 *   editLast: () => boolean,
	 * }} actions
	 */
	constructor(actions) {
		this.actions = actions;
		this.form = /** @type {HTMLFormElement} */ (byId("composer"));
		this.text = /** @type {HTMLTextAreaElement} */ (byId("text"));
		this.fit = eachFrame(() => this.#fit());
		this.form.addEventListener("submit", (event) => {
			event.preventDefault();
			this.#submit();
		});
		this.text.addEventListener("keydown", (event) => this.#key(event));
		this.text.addEventListener("input", () => this.#input());
		this.text.addEventListener("paste", (event) => this.#files(event, event.clipboardData));
		const file = /** @type {HTMLInputElement} */ (byId("file"));
		byId("attach").addEventListener("click", () => file.click());
		file.addEventListener("change", () => {
			if (file.files?.[0]) actions.file(file.files[0]);
			file.value = "";
		});
		this.#acceptDrops();
	}

	/** The text in the field. */
	get value() {
		return this.text.value;
	}

	/** Put a text into the field. @param {string} text */
	set(text) {
		this.#cycle = null;
		this.text.value = text;
		this.fit();
		this.hint();
	}

	focus() {
		this.text.focus({ preventScroll: true });
	}

	/** Show how the command that is being typed goes on. */
	hint() {
		byId("usage").textContent = hintFor(this.text.value.slice(0, 200), this.actions.table());
		this.#showOffers();
	}

	#submit() {
		if (this.text.value.trim() === "") return;
		if (this.actions.submit(this.text.value)) {
			this.set("");
			this.actions.changed("");
		}
	}

	#input() {
		if (!this.#setting) this.#cycle = null;
		this.fit();
		this.hint();
		this.actions.changed(this.text.value);
	}

	/** @param {KeyboardEvent} event */
	#key(event) {
		if (event.isComposing || event.keyCode === 229) return;
		if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
			event.preventDefault();
			this.#submit();
		} else if (event.key === "ArrowUp" && this.text.value === "" && !event.altKey && !event.shiftKey) {
			if (this.actions.editLast()) event.preventDefault();
		} else if (event.key === "Tab" && !event.ctrlKey && !event.altKey && !event.metaKey) {
			if (this.#tab(event.shiftKey ? -1 : 1)) event.preventDefault();
		} else if (event.key === "Escape" && this.#cycle !== null) {
			// The next Tab leaves the field.
			event.stopPropagation();
			this.#cycle = { start: -1, offers: [], at: -1 };
			this.#showOffers();
		}
	}

	/** Complete, or show the next completion; return whether there is one. @param {number} step */
	#tab(step) {
		if (this.#cycle === null) {
			const caret = this.text.selectionStart;
			if (caret !== this.text.selectionEnd) return false;
			const { start, offers } = complete(this.text.value.slice(0, caret), this.actions.table(), this.actions.nicks(), this.actions.groups());
			if (offers.length === 0) return false;
			this.#cycle = { start, offers, at: step > 0 ? -1 : 0 };
		}
		const { offers, at } = this.#cycle;
		if (offers.length === 0) return false;
		this.#choose((at + step + offers.length) % offers.length);
		return true;
	}

	/** @param {number} at */
	#choose(at) {
		if (this.#cycle === null) return;
		const { start, offers } = this.#cycle;
		this.#cycle.at = at;
		this.#setting = true;
		this.text.setRangeText(offers[at], start, this.text.selectionEnd, "end");
		this.#setting = false;
		if (offers.length === 1) this.#cycle = null;
		this.fit();
		this.hint();
		this.actions.changed(this.text.value);
		byId("offer-said").textContent = offers.length > 1 ? t("{offer}, {n} of {m}", { offer: offers[at], n: at + 1, m: offers.length }) : offers[at];
	}

	#showOffers() {
		const offers = byId("offers");
		if (this.#cycle === null || this.#cycle.offers.length < 2) {
			offers.replaceChildren();
			return;
		}
		const { at } = this.#cycle;
		const first = Math.max(0, Math.min(at - 4, this.#cycle.offers.length - SHOWN_OFFERS));
		offers.replaceChildren(
			...this.#cycle.offers.slice(first, first + SHOWN_OFFERS).map((one, n) => {
				const offer = button(one.trim(), () => {
					this.#choose(first + n);
					this.focus();
				}, first + n === at ? "chosen" : "");
				offer.tabIndex = -1;
				offer.dir = "auto";
				return offer;
			}),
		);
	}

	#fit() {
		this.text.style.setProperty("height", "auto");
		this.text.style.setProperty("height", `${Math.min(this.text.scrollHeight + 2, innerHeight * 0.4)}px`);
	}

	/** @param {Event} event @param {DataTransfer | null} data */
	#files(event, data) {
		const file = [...(data?.files ?? [])][0];
		if (file === undefined) return;
		event.preventDefault();
		this.actions.file(file);
	}

	#acceptDrops() {
		const target = byId("conversation");
		target.addEventListener("dragover", (event) => {
			if (!event.dataTransfer?.types.includes("Files")) return;
			event.preventDefault();
			this.form.classList.add("dropping");
		});
		target.addEventListener("dragleave", () => this.form.classList.remove("dropping"));
		target.addEventListener("drop", (event) => {
			this.form.classList.remove("dropping");
			if (event.dataTransfer?.files.length) this.#files(event, event.dataTransfer);
		});
	}
}
