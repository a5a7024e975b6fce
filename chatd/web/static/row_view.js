/** One row of the log: a message or an event, with the day and the line "new" above it. */

import { button, el, name } from "./dom.js";
import { eventText } from "./events.js";
import { currentLanguage, formatDate, t } from "./language.js";
import { find } from "./state.js";
import { mentions, textNodes } from "./text.js";

/** No daemon sends longer messages; only images may be longer. */
const MAX_LENGTH = 10_000;
const GROUPED_MS = 5 * 60_000;

/** Of longer lists of names the rest is counted. */
const SHOWN_NICKS = 20;

/** Cloned for each message: copying is faster than setting the attributes again. Its sign is in the style sheet. */
const MENU_BUTTON = el("button", "more");
MENU_BUTTON.type = "button";
MENU_BUTTON.tabIndex = -1;
MENU_BUTTON.setAttribute("aria-haspopup", "menu");

/** About sixty lines, in pixels: the text of a higher row is cut, as `.folded` in the style sheet says. */
const FOLDED_HEIGHT = 1350;

export class Rows {
	/** The ids of the messages that the user wants to see whole. @type {Set<number>} */ #whole = new Set();

	/** @param {() => RowContext} context @param {(id: number) => void} unfolded */
	constructor(context, unfolded) {
		this.context = context;
		this.unfolded = unfolded;
	}

	/** @param {Entry[]} entries @param {number} index */
	signature(entries, index) {
		const { newAfter, query, found } = this.context();
		const entry = entries[index];
		const above = entries[index - 1];
		const answered = quoted(entries, entry);
		return [
			entry.version, answered?.version, answered?.from, opensDay(above, entry) ? "d" : "", isNew(above, entry, newAfter) ? "n" : "",
			opensBlock(above, entry) ? "b" : "", this.#whole.has(entry.id) ? "w" : "", found === entry.id ? "f" : "", query, currentLanguage(),
		].join("|");
	}

	/** @param {Entry[]} entries @param {number} index @returns {HTMLElement} */
	make(entries, index) {
		const context = this.context();
		const entry = entries[index];
		const above = entries[index - 1];
		const row = el("div");
		if (opensDay(above, entry)) row.append(el("div", "day", formatDate("day", new Date(entry.ts))));
		if (isNew(above, entry, context.newAfter)) row.append(el("div", "new", t("New")));
		row.append(entry.from === undefined ? eventRow(entry, context) : messageRow(entries, index, context));
		return row;
	}

	/** Cut a message's text that is too high. @param {HTMLElement} row in the document @param {Entry} entry */
	fold(row, entry) {
		const body = row.querySelector(".body");
		if (row.offsetHeight < FOLDED_HEIGHT || entry.kind === "image" || body === null || body.matches(".folded, .whole")) return;
		if (this.#whole.has(entry.id) || this.context().found === entry.id) {
			body.classList.add("whole");
			return;
		}
		body.classList.add("folded");
		body.after(button(t("Show more"), () => {
			this.#whole.add(entry.id);
			this.unfolded(entry.id);
		}, "link"));
	}
}

/** @param {Entry} entry @param {RowContext} context */
function eventRow(entry, context) {
	const row = el("div", "event", ...eventText(entry, context.group));
	row.title = formatDate("full", new Date(entry.ts));
	return row;
}

/** @param {Entry[]} entries @param {number} index @param {RowContext} context */
function messageRow(entries, index, context) {
	const entry = entries[index];
	const above = entries[index - 1];
	const row = el("div", "message");
	const from = entry.from ?? "";
	const nick = el("b", "", el("bdi", "", entry.kind === "notice" ? `-${from}-` : from));
	const colour = context.colours.get(from) ?? "";
	if (/^#[0-9a-f]{6}$/iu.test(colour)) nick.style.setProperty("--nick", colour);
	const date = new Date(entry.ts);
	const time = el("time", "", formatDate("time", date));
	time.dateTime = entry.ts;
	time.title = formatDate("full", date);
	const isAction = entry.kind === "action" && !entry.deleted;
	if (isAction) {
		row.append(time);
	} else if (opensBlock(above, entry) || isNew(above, entry, context.newAfter)) {
		row.classList.add("first");
		row.append(el("div", "who", nick, time));
	} else {
		row.append(el("span", "hidden", nick), time);
	}
	if (entry.reply_to) row.append(quoteNode(entry, quoted(entries, entry)));
	const text = entry.msg ?? "";
	const body = el("div", "body");
	if (entry.deleted) {
		body.append(el("span", "deleted", t("This message was deleted.")));
	} else if (entry.kind === "image") {
		body.append(artNode(text, from));
	} else {
		body.dir = "auto";
		if (isAction) {
			row.classList.add("action");
			body.append("* ", nick, " ");
		}
		body.append(textNodes(text.slice(0, MAX_LENGTH), context.me, context.query));
		if (from !== context.me && mentions(text, context.me)) row.classList.add("mentioned");
	}
	if (entry.edited && !entry.deleted) body.append(el("span", "edited", ` ${t("(edited)")}`));
	row.append(body);
	if (entry.reactions?.length) row.append(el("div", "reactions", ...entry.reactions.map((one) => reactionNode(one, context.me))));
	if (!entry.deleted || entry.reactions?.length) row.append(menuButton(body, entry));
	if (entry.id === context.found) row.classList.add("found");
	return row;
}

/** Return the message that a message answers, if it is there. @param {Entry[]} entries @param {Entry} entry */
function quoted(entries, { reply_to }) {
	if (!reply_to) return undefined;
	const found = entries[find(entries, reply_to)];
	return found?.id === reply_to ? found : undefined;
}

/** Return a message's text in one line, for where it is only named. @param {Entry} entry */
export function lineOf(entry) {
	if (entry.deleted) return t("This message was deleted.");
	if (entry.kind === "image") return t("Picture made of characters");
	return (entry.msg ?? "").slice(0, 200).replace(/[\s`]+/gu, " ");
}

/** What a message answers: a button that leads there. @param {Entry} entry @param {Entry | undefined} answered */
function quoteNode(entry, answered) {
	const sign = el("span", "", "↪ ");
	sign.setAttribute("aria-hidden", "true");
	const quote = el("button", "quote", sign, el("span", "hidden", `${t("Answers")} `), el("b", "", name(entry.reply_from || "…")));
	if (answered !== undefined) quote.append(" ", el("bdi", "", lineOf(answered)));
	quote.type = "button";
	quote.tabIndex = -1;
	return quote;
}

/** @param {Reaction} reaction @param {string} me */
function reactionNode({ reaction, nicks }, me) {
	const shown = el("button", "reaction", el("bdi", "", reaction), ` ${nicks.length}`);
	shown.type = "button";
	shown.tabIndex = -1;
	shown.dataset.reaction = reaction;
	shown.setAttribute("aria-pressed", String(nicks.includes(me)));
	const more = nicks.length - SHOWN_NICKS;
	const who = nicks.slice(0, SHOWN_NICKS).join(", ") + (more > 0 ? ` ${t("and {n} more", { n: more })}` : "");
	shown.setAttribute("aria-label", `${reaction} ${nicks.length}: ${who}`);
	shown.title = who;
	return shown;
}

/** @param {HTMLElement} body @param {Entry} entry */
function menuButton(body, entry) {
	const opened = /** @type {HTMLElement} */ (MENU_BUTTON.cloneNode());
	// A description is read with the button, and not with each new message.
	body.id = `body-${entry.id}`;
	opened.ariaLabel = t("Menu");
	opened.setAttribute("aria-describedby", body.id);
	return opened;
}

/** Return an image made of characters. @param {string} text @param {string} from */
export function artNode(text, from) {
	const art = el("pre", "art", text);
	art.setAttribute("role", "img");
	art.setAttribute("aria-label", from ? t("Picture made of characters, from {nick}", { nick: from }) : t("Picture made of characters"));
	art.dir = "ltr";
	art.tabIndex = 0;
	return art;
}

/** @param {string} ts */
const dayOf = (ts) => new Date(ts).toDateString();

/** @param {Entry | undefined} above @param {Entry} entry */
const opensDay = (above, entry) => above === undefined || dayOf(above.ts) !== dayOf(entry.ts);

/** @param {Entry | undefined} above @param {Entry} entry @param {number | null} newAfter */
const isNew = (above, entry, newAfter) => newAfter !== null && entry.id > newAfter && (above === undefined || above.id <= newAfter);

/** The kind, if it is one that shows its nick in another way. @param {Entry | undefined} entry */
const markOf = (entry) => (entry?.kind === "notice" || (entry?.kind === "action" && !entry.deleted) ? entry.kind : "");

/** @param {Entry | undefined} above @param {Entry} entry */
const opensBlock = (above, entry) =>
	above?.from !== entry.from || markOf(above) !== markOf(entry) || opensDay(above, entry) || Date.parse(entry.ts) - Date.parse(above?.ts ?? "") > GROUPED_MS;
