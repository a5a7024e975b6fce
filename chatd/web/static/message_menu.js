/** The menu of a message, the choice of a reaction, and who has reacted. */

import { closeDialog, field, openDialog, submitButton } from "./dialogs.js";
import { button, byId, el, name } from "./dom.js";
import { t } from "./language.js";

const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "👀"];
const EMOJI =
	"👍 👎 👏 🙏 💪 👋 ✌️ 🤝 🤞 👌 ❤️ 💔 💯 🔥 ⭐ ✨ 🎉 🚀 ✅ ❌ ❓ ❗ 💡 👀 😀 😂 🙂 😉 😍 😘 😎 🤔 😐 😴 😮 😢 😭 😡 😱 🤯 🥳 🤗 🙈 🤷 🤦 🐛 🍀 ☕ 🍕 🍺";
/** The most code points of a reaction. */
const MAX_REACTION = 16;

/**
 * Open the menu of a message.
 * @param {HTMLElement} opener the button that was pressed @param {Entry} entry
 * @param {boolean} own whether it is the user's own @param {boolean} mayDelete whether the user may delete it
 * @param {import("./message_actions.js").MessageActions} actions
 */
export function openMessageMenu(opener, entry, own, mayDelete, actions) {
	const menu = el("div", "menu");
	menu.setAttribute("role", "menu");
	menu.setAttribute("aria-label", opener.getAttribute("aria-label") ?? "");
	menu.popover = "auto";
	const close = () => {
		menu.hidePopover();
		opener.focus({ preventScroll: true });
	};
	/** @param {string} text @param {() => void} chosen */
	const item = (text, chosen, className = "") => {
		const made = button(text, () => {
			close();
			chosen();
		}, className);
		made.setAttribute("role", "menuitem");
		made.tabIndex = -1;
		return made;
	};
	if (!entry.deleted) {
		const quick = el("div", "quick", ...QUICK.map((one) => item(one, () => actions.react(entry, one))));
		quick.setAttribute("role", "none");
		for (const one of quick.children) one.setAttribute("aria-label", t("React with {reaction}", { reaction: one.textContent ?? "" }));
		menu.append(quick, item(t("Another reaction…"), () => chooseReaction((one) => actions.react(entry, one))));
	}
	if (entry.reactions?.length) menu.append(item(t("Who has reacted…"), () => showReactions(entry.reactions ?? [])));
	menu.append(item(t("Answer"), () => actions.reply(entry)));
	if (entry.msg && navigator.clipboard) menu.append(item(t("Copy the text"), () => navigator.clipboard.writeText(entry.msg ?? "")));
	if (own && !entry.deleted && entry.kind !== "image") menu.append(item(t("Edit"), () => actions.edit(entry)));
	if (mayDelete && !entry.deleted) menu.append(item(`${t("Delete")}…`, () => actions.remove(entry), "danger"));
	menu.addEventListener("keydown", (event) => {
		const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("[role=menuitem]")]);
		const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
		const steps = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 };
		const to = /** @type {Record<string, number>} */ (steps)[event.key];
		if (to !== undefined) items.at(to % items.length)?.focus();
		else if (event.key === "Tab" || event.key === "Escape") close();
		else return;
		event.preventDefault();
		event.stopPropagation();
	});
	menu.addEventListener("toggle", (event) => event.newState === "closed" && menu.remove());
	byId("conversation").append(menu);
	menu.showPopover();
	const at = opener.getBoundingClientRect();
	const { width, height } = menu.getBoundingClientRect();
	menu.style.setProperty("left", `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`);
	menu.style.setProperty("top", `${Math.max(8, at.bottom + height + 8 < innerHeight ? at.bottom + 4 : at.top - height - 4)}px`);
	/** @type {HTMLElement} */ (menu.querySelector("[role=menuitem]")).focus();
}

/** @param {(reaction: string) => void} chosen */
function chooseReaction(chosen) {
	const done = (/** @type {string} */ reaction) => {
		closeDialog();
		chosen(reaction);
	};
	const grid = el("p", "emoji", ...EMOJI.split(" ").map((one) => button(one, () => done(one))));
	const other = field(t("An emoji, or a short word"), { maxLength: 2 * MAX_REACTION });
	openDialog(t("Another reaction…"), [other.row, el("p", "buttons", submitButton(t("React"))), grid], () => {
		const reaction = other.input.value.trim();
		if (reaction) done(reaction);
	});
}

/** @param {Reaction[]} reactions */
function showReactions(reactions) {
	const list = el("ul", "list", ...reactions.map(({ reaction, nicks }) =>
		el("li", "", el("bdi", "", reaction), el("div", "grow", ...nicks.flatMap((nick, n) => (n > 0 ? [", ", name(nick)] : [name(nick)]))))));
	list.tabIndex = 0;
	openDialog(t("Who has reacted…"), [list]);
}
