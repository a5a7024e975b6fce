/** The dialogs of a member, of a group and of the user's own settings. */

import { checkbox, closeDialog, confirmDialog, errorLine, field, openDialog, submitButton } from "./dialogs.js";
import { button, el, name } from "./dom.js";
import { currentLanguage, refusalText, t } from "./language.js";
import { askPermission, notifications } from "./notify.js";
import { settings } from "./store.js";

/**
 * What can be done with a member.
 * @param {import("./state.js").ChatState} state @param {Member} member
 * @param {Do} act @param {(nick: string) => void} write
 */
export function memberMenu(state, member, act, write) {
	const { current } = state;
	const nick = member.name;
	const own = nick === state.me;
	const actions = [button(t(own ? "Note to yourself" : "Write a message"), () => {
		closeDialog();
		write(nick);
	}, "primary")];
	/** @param {string} text @param {Wired} request @param {string} [className] */
	const offer = (text, request, className) => actions.push(button(text, () => {
		closeDialog();
		act(request, text);
	}, className));
	if (!own) {
		const groups = [...state.groups.values()].filter((row) => ["owner", "operator", "member"].includes(row.role) && !state.members.get(row.group)?.has(nick));
		if (groups.length > 0 && current.kind !== "group") actions.push(button(t("Invite…"), () => inviteMenu(groups.map((row) => row.group), nick, act)));
		offer(t("Ignore"), { action: "ignore", dest: nick });
	}
	const role = current.kind === "group" ? (state.groups.get(current.name)?.role ?? "") : "";
	const group = current.name;
	if (!own && role === "owner") {
		if (member.role === "operator") offer(t("Make an ordinary member"), { action: "demote", group, dest: nick });
		else offer(t("Make an operator"), { action: "promote", group, dest: nick });
	}
	if (!own && ["owner", "operator"].includes(role) && member.role !== "owner") {
		for (const [text, action] of [[t("Remove from the group"), "kick"], [t("Ban from the group"), "ban"]]) {
			actions.push(button(`${text}…`, () => confirmDialog(text, nick, text, (reason) => act({ action, group, dest: nick, reason }, text), t("Reason (may be empty)")), "danger"));
		}
	}
	const about = [t(member.online ? "online" : "away"), member.role !== "member" ? t(member.role) : ""].filter(Boolean).join(" · ");
	openDialog(nick, [el("p", "quiet", about), el("p", "buttons", ...actions)]);
}

/** @param {string[]} groups @param {string} nick @param {Do} act */
function inviteMenu(groups, nick, act) {
	const list = el("p", "buttons", ...groups.map((group) => {
		const choice = button("", () => {
			closeDialog();
			act({ action: "invite", group, dest: nick }, t("Invite…"));
		});
		choice.append(name(group));
		return choice;
	}));
	openDialog(t("Invite {nick} to", { nick }), [list]);
}

/**
 * What can be done with the open conversation.
 * @param {import("./state.js").ChatState} state @param {Do} act
 * @param {{link: (group: string) => void, forget: () => void, isQuiet: (key: string) => boolean, setQuiet: (key: string, quiet: boolean) => void}} actions
 */
export function groupMenu(state, act, actions) {
	const { current } = state;
	const group = current.name;
	const row = state.groups.get(group);
	const quiet = checkbox(t("Quiet: no notifications from here"), actions.isQuiet(current.key));
	quiet.input.addEventListener("change", () => actions.setQuiet(current.key, quiet.input.checked));
	if (current.kind === "lobby") {
		openDialog(t("Lobby"), [quiet.row]);
		return;
	}
	if (current.kind !== "group" || current.gone || row === undefined) {
		openDialog(group, [quiet.row, el("p", "buttons", button(t("Remove from the list"), () => {
			closeDialog();
			actions.forget();
		}))]);
		return;
	}
	const { role } = row;
	const rules = ["owner", "operator"].includes(role);
	/** @type {Node[]} */
	const content = [el("p", "quiet", [t(row.members === 1 ? "{n} member" : "{n} members", { n: row.members }), t(row.visibility), row.owner ? t("owner: {nick}", { nick: row.owner }) : ""].filter(Boolean).join(" · "))];
	const topic = field(t("Topic"), { value: row.topic, maxLength: 512, readOnly: !rules });
	const invited = field(t("Invite a user"), { maxLength: 64 });
	const invite = button(t("Invite"), () => invited.input.value.trim() && act({ action: "invite", group, dest: invited.input.value.trim() }, t("Invite")).then(() => (invited.input.value = "")));
	const link = button(t("Make an invitation link"), () => {
		closeDialog();
		actions.link(group);
	});
	content.push(topic.row);
	if (rules) content.push(el("p", "buttons", submitButton(t("Set the topic"))));
	content.push(invited.row, el("p", "buttons", invite, link));
	content.push(quiet.row);
	const more = el("p", "buttons");
	if (role === "owner") {
		const other = row.visibility === "private" ? "public" : "private";
		const text = t(other === "public" ? "Make the group public" : "Make the group private");
		more.append(button(text, () => {
			closeDialog();
			act({ action: "visibility", group, visibility: other }, text);
		}));
	}
	more.append(button(`${t("Leave the group")}…`, () => confirmDialog(t("Leave the group"), t("You will not get its messages any more."), t("Leave the group"), () => act({ action: "leave", group }, t("Leave the group"))), "danger"));
	content.push(more);
	openDialog(group, content, rules ? () => {
		closeDialog();
		act({ action: "topic", group, topic: topic.input.value.trim() }, t("Topic"));
	} : null);
}

/**
 * The user's own settings.
 * @param {string} nick @param {boolean} guest @param {(request: Wired) => Promise<Wired>} ask
 * @param {{language: (language: string) => void, logOut: () => void}} actions
 */
export function ownMenu(nick, guest, ask, actions) {
	const language = el("p", "buttons", ...[["en", "English"], ["fr", "Français"]].map(([code, text]) => {
		const choice = button(text, () => actions.language(code), currentLanguage() === code ? "primary" : "");
		choice.lang = code;
		choice.setAttribute("aria-pressed", String(currentLanguage() === code));
		return choice;
	}));
	/** @type {Node[]} */
	const content = [language, notificationRow(nick, guest, ask, actions)];
	const old = field(t("Password now"), { type: "password", autocomplete: "current-password", maxLength: 512 });
	const fresh = field(t("New password"), { type: "password", autocomplete: "new-password", maxLength: 512 });
	const error = errorLine();
	const done = el("p", "quiet");
	done.setAttribute("role", "status");
	const register = button(t("Protect the nick"), async () => {
		const answer = await ask({ action: "register", password: fresh.input.value });
		told(answer, t("From now on your nick needs this password."));
	});
	const change = button(t("Change the password"), async () => {
		const answer = await ask({ action: "passwd", password: old.input.value, new: fresh.input.value });
		told(answer, t("The password is changed; your other sessions have ended."));
	});
	/** @param {Wired} answer @param {string} text */
	const told = (answer, text) => {
		const refused = answer.action === "server-error";
		error.textContent = refused ? refusalText(/** @type {any} */ (answer)) : "";
		done.textContent = refused ? "" : text;
		if (!refused) old.input.value = fresh.input.value = "";
	};
	if (!guest) {
		const account = el("details", "", el("summary", "", t("Password of the nick")));
		account.append(el("div", "card", fresh.row, el("p", "buttons", register), old.row, el("p", "buttons", change), error, done));
		content.push(account);
	}
	content.push(el("p", "buttons", button(t("Log out"), () => {
		closeDialog();
		actions.logOut();
	}, "danger")));
	openDialog(nick, content);
}

/** @param {string} nick @param {boolean} guest @param {(request: Wired) => Promise<Wired>} ask @param {{language: (language: string) => void, logOut: () => void}} actions */
function notificationRow(nick, guest, ask, actions) {
	if (!notifications.possible()) return el("p", "quiet", t("Notifications need a secure connection (https) and a browser that has them."));
	if (notifications.denied()) return el("p", "quiet", t("Your browser refuses notifications for this page: allow them in its settings."));
	if (Notification.permission === "default") {
		return el("p", "buttons", button(t("Allow notifications"), async () => {
			await askPermission();
			ownMenu(nick, guest, ask, actions);
		}));
	}
	const choice = checkbox(t("Notify me of direct messages, mentions and invitations"), notifications.on());
	choice.input.addEventListener("change", () => settings.set({ notify: choice.input.checked }));
	return choice.row;
}
