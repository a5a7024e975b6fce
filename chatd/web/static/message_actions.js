/** What the user does with messages that are there: reactions, answers, edits, deletions. */

import { t } from "./language.js";

export class MessageActions {
	/**
	 * @param {import("./state.js").ChatState} state @param {import("./target.js").TargetView} target
	 * @param {import("./composer.js").Composer} composer
	 * @param {{act: Do, draft: () => string, goTo: (id: number) => void}} page `draft` returns the draft of the open conversation
	 */
	constructor(state, target, composer, page) {
		this.state = state;
		this.target = target;
		this.composer = composer;
		this.page = page;
	}

	/** Add a reaction, or take the user's own one away. @param {Entry} entry @param {string} reaction */
	react(entry, reaction) {
		// The menu may have been open for a while.
		const { reactions } = this.state.entry(entry.id) ?? entry;
		const own = reactions?.find((one) => one.reaction === reaction)?.nicks.includes(this.state.me);
		this.page.act({ action: own ? "unreact" : "react", id: entry.id, reaction }, t("Reaction"));
	}

	/** Begin an answer. @param {Entry} entry */
	reply(entry) {
		if (this.target.current?.what === "edit") this.cancel();
		this.target.set({ what: "reply", entry });
		this.composer.focus();
	}

	/** Begin an edit. @param {Entry} entry */
	edit(entry) {
		this.target.set({ what: "edit", entry });
		this.composer.set(typedText(entry));
		this.composer.focus();
	}

	/** End the edit or the answer that was begun. */
	cancel() {
		const edited = this.target.current?.what === "edit";
		this.target.set(null);
		if (edited) this.composer.set(this.page.draft());
	}

	/** Send an edit. If it is refused, it goes on. @param {Target} target @param {string} msg */
	async sendEdit(target, msg) {
		if (target.busy) return;
		target.busy = true;
		const { id } = target.entry;
		const answer = msg === typedText(target.entry) ? null : await this.page.act({ action: "edit", id, msg }, t("Edit"));
		target.busy = false;
		if (this.target.current === target && answer?.action !== "server-error") this.cancel();
	}

	/** Delete a message, after a question. @param {Entry} entry */
	async remove({ id }) {
		const { confirmDialog } = await import("./dialogs.js");
		confirmDialog(t("Delete"), t("The message loses its text for all."), t("Delete"), () => this.page.act({ action: "delete", id }, t("Delete")));
	}

	/** Whether the user may delete a message. @param {Entry} entry */
	#mayDelete({ from }) {
		const { current, groups, me } = this.state;
		return from === me || (current.kind === "group" && ["owner", "operator"].includes(groups.get(current.name)?.role));
	}

	/** A button of a message was pressed. @param {MouseEvent} event */
	async pressed(event) {
		const pressed = /** @type {HTMLElement} */ (event.target).closest("button");
		const entry = this.state.entry(Number(/** @type {HTMLElement | undefined} */ (pressed?.closest("[data-id]"))?.dataset.id));
		if (pressed === null || entry === undefined) return;
		if (pressed.className === "quote") this.page.goTo(entry.reply_to ?? 0);
		else if (pressed.className === "reaction") this.react(entry, pressed.dataset.reaction ?? "");
		else if (pressed.className === "more") (await import("./message_menu.js")).openMessageMenu(pressed, entry, entry.from === this.state.me, this.#mayDelete(entry), this);
	}
}

/** The text of a message as it was typed. @param {Entry} entry */
const typedText = ({ kind, msg }) => `${kind === "action" ? "/me " : ""}${msg ?? ""}`;
