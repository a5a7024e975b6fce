/** The reply to a typed command, in a panel above the field. */

import { button, byId, el } from "./dom.js";
import { formatDate, refusalText, t } from "./language.js";

const HIDDEN = new Set(["action", "ref", "request", "more", "seq", "colour"]);

export class ReplyView {
	constructor() {
		this.panel = byId("reply");
		this.body = byId("reply-body");
		byId("reply-close").addEventListener("click", () => {
			this.hide();
			byId("text").focus();
		});
	}

	hide() {
		this.panel.hidden = true;
		this.body.replaceChildren();
	}

	/** @param {string} title @param {...(Node | string)} content */
	show(title, ...content) {
		byId("reply-title").textContent = title;
		this.body.replaceChildren(...content);
		this.body.scrollTop = 0;
		this.panel.hidden = false;
	}

	/** @param {string} title @param {string} text */
	wrong(title, text) {
		const line = el("p", "error", text);
		line.setAttribute("role", "alert");
		this.show(title, line);
	}

	/** Show an answer of the daemon. @param {string} title @param {Wired} answer */
	answer(title, answer) {
		if (answer.action === "server-error") {
			this.wrong(title, refusalText(/** @type {any} */ (answer)));
		} else if (answer.action === "server-ack") {
			this.hide();
			byId("offer-said").textContent = t("Done.");
			return;
		} else if (answer.action === "server-invitelink") {
			this.#link(title, answer);
		} else {
			this.show(title, ...answerNodes(answer));
		}
		if (answer.action !== "server-error") byId("offer-said").textContent = t("The reply is shown.");
	}

	/** Show an invitation link. @param {string} title @param {Wired} answer */
	#link(title, answer) {
		const address = new URL(location.href);
		address.search = "";
		address.hash = `invite=${encodeURIComponent(answer.link)}`;
		const field = el("input");
		field.readOnly = true;
		field.value = address.href;
		field.setAttribute("aria-label", t("Invitation link"));
		const copy = button(t("Copy"), async () => {
			field.select();
			try {
				await navigator.clipboard.writeText(field.value);
			} catch {
				document.execCommand("copy");
			}
			copy.textContent = t("Copied");
		});
		const until = answer.expires ? t("It lets anybody who has it into {group}, until {time}.", { group: answer.group, time: formatDate("full", new Date(answer.expires)) }) : "";
		this.show(title, el("p", "copy", field, copy), el("p", "quiet", until));
	}
}

/** Return what an answer says: its lists as tables, other values as lines. @param {Wired} answer */
function answerNodes(answer) {
	/** @type {Node[]} */
	const nodes = [];
	for (const [key, value] of Object.entries(answer)) {
		if (HIDDEN.has(key)) continue;
		if (Array.isArray(value)) nodes.push(listNode(key, value));
		else if (typeof value === "object" && value !== null) nodes.push(listNode(key, [value]));
		else if (value !== "") nodes.push(el("p", "", `${t(key)}: `, el("bdi", "", shown(key, value))));
	}
	if (answer.more) nodes.push(el("p", "quiet", t("There is more: add the number of lines to skip.")));
	return nodes;
}

/** @param {string} key @param {any[]} rows */
function listNode(key, rows) {
	if (rows.length === 0) return el("p", "quiet", `${t(key)}: ${t("none")}`);
	if (typeof rows[0] !== "object") {
		const names = rows.flatMap((one, n) => (n ? [", ", el("bdi", "", String(one))] : [el("bdi", "", String(one))]));
		return el("p", "", `${t(key)} (${rows.length}): `, ...names);
	}
	const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((one) => !HIDDEN.has(one) || one === "action");
	const head = el("tr", "", ...columns.map((one) => {
		const cell = el("th", "", t(one));
		cell.scope = "col";
		return cell;
	}));
	const body = rows.map((row) => el("tr", "", ...columns.map((one) => el("td", "", el("bdi", "", shown(one, row[one]))))));
	return el("table", "", el("thead", "", head), el("tbody", "", ...body));
}

/** @param {string} key @param {any} value */
function shown(key, value) {
	if (value === undefined || value === null) return "";
	if (typeof value === "boolean") return t(value ? "yes" : "no");
	if (Array.isArray(value)) return value.join(", ");
	if (["ts", "made", "expires", "until"].includes(key)) return formatDate("full", new Date(value));
	if (["role", "visibility"].includes(key)) return t(String(value));
	return String(value);
}
