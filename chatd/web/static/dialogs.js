/** The dialogs: groups, a new message, a member, a group's settings, the user's own settings. */

import { button, byId, el, name } from "./dom.js";
import { t } from "./language.js";

const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
/** @type {(() => void) | null} */
let submitted = null;

byId("dialog-close").addEventListener("click", () => dialog.close());
byId("dialog-form").addEventListener("submit", (event) => {
	event.preventDefault();
	submitted?.();
});
dialog.addEventListener("click", (event) => {
	if (event.target === dialog) dialog.close();
});

export const closeDialog = () => dialog.close();

/** @param {string} title @param {(Node | string)[]} content @param {(() => void) | null} [submit] */
export function openDialog(title, content, submit = null) {
	byId("dialog-title").textContent = title;
	byId("dialog-body").replaceChildren(...content);
	submitted = submit;
	if (!dialog.open) dialog.showModal();
	const first = byId("dialog-body").querySelector("input:not([type=radio]), textarea, select");
	/** @type {HTMLElement | null} */ (first ?? byId("dialog-body").querySelector("button"))?.focus();
}

let fields = 0;

/** A labelled field. @param {string} label @param {Partial<HTMLInputElement>} [properties] */
export function field(label, properties = {}) {
	const input = el("input");
	Object.assign(input, { id: `field-${++fields}`, dir: "auto", autocomplete: "off", ...properties });
	const text = el("label", "", label);
	text.htmlFor = input.id;
	return { input, row: el("div", "", text, input) };
}

/** A field for a yes or no. @param {string} label @param {boolean} checked */
export function checkbox(label, checked) {
	const input = el("input");
	input.type = "checkbox";
	input.checked = checked;
	return { input, row: el("label", "choice", input, label) };
}

/** The line for what went wrong. */
export function errorLine() {
	const line = el("p", "error");
	line.setAttribute("role", "alert");
	return line;
}

/** @param {string} text */
export function submitButton(text) {
	const element = el("button", "primary", text);
	element.type = "submit";
	return element;
}

/**
 * Groups to join, and a new one.
 * @param {Wired[]} groups
 * @param {{open: (group: string) => void, join: (group: string) => void, create: (group: string, hidden: boolean) => Promise<string>}} actions
 */
export function groupsDialog(groups, actions) {
	const filter = field(t("Filter"), { type: "search" });
	const list = el("ul", "list");
	list.tabIndex = 0;
	list.setAttribute("aria-label", t("Groups"));
	const fill = () => {
		const wanted = filter.input.value.trim().toLowerCase();
		const found = groups.filter((one) => `${one.group} ${one.topic}`.toLowerCase().includes(wanted)).slice(0, 200);
		list.replaceChildren(...found.map((row) => {
			const inside = ["owner", "operator", "member"].includes(row.role);
			const about = [t(row.members === 1 ? "{n} member" : "{n} members", { n: row.members }), row.visibility === "private" ? t("private") : "", row.topic].filter(Boolean);
			const action = button(t(inside ? "Open" : "Join"), () => (inside ? actions.open(row.group) : actions.join(row.group)), inside ? "" : "primary");
			action.setAttribute("aria-label", `${action.textContent} ${row.group}`);
			return el("li", "", el("div", "grow", el("div", "", el("b", "", name(row.group))), el("bdi", "quiet", about.join(" · "))), action);
		}));
		if (found.length === 0) list.replaceChildren(el("li", "quiet", t(groups.length > 0 ? "No group is called that." : "There is no group yet.")));
	};
	filter.input.addEventListener("input", fill);
	fill();
	const fresh = field(t("Name of the new group"), { maxLength: 64 });
	const hidden = checkbox(t("Private: only invited users see it and may join"), false);
	const error = errorLine();
	openDialog(t("Groups"), [
		...(groups.length > 6 ? [filter.row] : []), list,
		el("fieldset", "", el("legend", "", t("New group")), fresh.row, hidden.row, error, el("p", "buttons", submitButton(t("Make the group")))),
	], async () => {
		const group = fresh.input.value.trim();
		if (group) error.textContent = await actions.create(group, hidden.input.checked);
	});
}

/** A message to a user. @param {Iterable<string>} nicks @param {(nick: string) => void} open */
export function messageDialog(nicks, open) {
	const nick = field(t("Nick"), { maxLength: 64 });
	const list = el("datalist");
	list.id = "known-nicks";
	let count = 0;
	for (const one of nicks) {
		if (++count > 500) break;
		const option = el("option");
		option.value = one;
		list.append(option);
	}
	nick.input.setAttribute("list", list.id);
	openDialog(t("Message to…"), [nick.row, list, el("p", "buttons", submitButton(t("Write")))], () => {
		const to = nick.input.value.trim().replace(/^@/u, "");
		if (to) {
			closeDialog();
			open(to);
		}
	});
}

/**
 * Ask before something that can't be taken back. @param {string} title @param {string} text @param {string} yes
 * @param {(reason: string) => void} confirmed @param {string} [reasonLabel]
 */
export function confirmDialog(title, text, yes, confirmed, reasonLabel = "") {
	const reason = field(reasonLabel, { maxLength: 256 });
	const accept = submitButton(yes);
	openDialog(title, [el("p", "", text), ...(reasonLabel ? [reason.row] : []), el("p", "buttons", accept, button(t("Cancel"), closeDialog))], () => {
		closeDialog();
		confirmed(reason.input.value.trim());
	});
}
