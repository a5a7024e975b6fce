/** The page: puts the connection, the state and the views together. */

import { CommandTable } from "./commands.js";
import { Composer } from "./composer.js";
import { button, byId, eachFrame, el, slowly } from "./dom.js";
import { History } from "./history.js";
import { currentLanguage, loadSentences, refusalText, setLanguage, t, translatePage } from "./language.js";
import { LoginView } from "./login_view.js";
import { LogView } from "./log_view.js";
import { MembersView } from "./members_view.js";
import { MessageActions } from "./message_actions.js";
import { keepShell, notify, setTitle } from "./notify.js";
import { Outbox } from "./outbox.js";
import { ReadMarks } from "./read_marks.js";
import { ReplyView } from "./reply_view.js";
import { RoomsView } from "./rooms_view.js";
import { artNode, Rows } from "./row_view.js";
import { ChatState, keyOf, kindOf, LOBBY, sayingEntry } from "./state.js";
import { drafts, forget, lastNick, pages, quiet, session, settings } from "./store.js";
import { TargetView } from "./target.js";
import { TypingView } from "./typing_view.js";
import { Wire } from "./wire.js";

const IMAGE_BYTES = 49_152;
const IMAGE_COLUMNS = 80;
const KEPT_ENTRIES = 60;
const KEEP_MS = 3000;
const GROUPS_MS = 3000;
/** After these refusals nothing that was read is kept. */
const SHUT_OUT = new Set(["password_changed", "account_closed", "blocked", "token_revoked"]);

const state = new ChatState();
let table = new CommandTable({ fields: {}, commands: [] });
let limits = { json: 65_536, message: 8192, page: 500 };
let nickWanted = "";
let offline = false;
/** The token of an invitation link, until the user is asked. */
let invitation = "";
/** @type {Record<string, string>} */
let texts = {};
/** @type {string[]} */
let quietKeys = [];
/** @type {any} */
let keepTimer = null;

const wire = new Wire(
	{ stateChanged, welcomed, caughtUp, received, ended },
	{
		open: () => {
			const address = new URL("ws", location.href);
			address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
			address.search = address.hash = "";
			return new WebSocket(address.href, "chatd.json");
		},
		setTimer: (done, milliseconds) => setTimeout(done, milliseconds),
		clearTimer: (timer) => clearTimeout(timer),
		random: Math.random,
	},
);
const outbox = new Outbox(localStorage, newRef, Date.now);
const history = new History(wire, state, historyChanged);
const readMarks = new ReadMarks(wire, state, history, () => readAll("conversations", "conversations"), () => {
	renderSides();
	readNow();
	log.changed(true);
});
const typingView = new TypingView(wire, state);
const reply = new ReplyView();
const rooms = new RoomsView(state, {
	open: openConversation,
	join: (group) => joinGroup(group),
	decline: (group) => act({ action: "decline", group }, t("Decline")),
	isQuiet,
});
const members = new MembersView(state, async (member) => (await import("./menus.js")).memberMenu(state, member, act, (nick) => openDirect(nick)));
/** The search, once it was opened. @type {import("./search.js").Search | null} */
let search = null;
const target = new TargetView(() => {
	messageActions.cancel();
	composer.focus();
});
const log = new LogView(
	byId("scroll"),
	byId("log"),
	new Rows(() => ({
		me: state.me,
		colours: state.colours,
		group: state.current.name,
		newAfter: newLine(),
		query: search?.query ?? "",
		found: search?.found || foundId,
	}), (id) => log.goTo(id)),
	{ nearTop: () => history.earlier(state.current), nearEnd: () => history.later(state.current), moved: () => readNow(), rendered: showNew },
);
/** The message to which the user has gone. */
let foundId = 0;
const composer = new Composer({
	table: () => table,
	nicks: knownNicks,
	groups: () => [...state.groups.keys()],
	submit,
	changed: typing,
	editLast: () => {
		const last = lastMessage(true);
		if (last !== undefined) messageActions.edit(last);
		return last !== undefined;
	},
	file: (file) => offerPicture(file),
});
const messageActions = new MessageActions(state, target, composer, {
	act,
	draft: () => texts[state.active] ?? "",
	goTo: (id) => goToMessage(state.current, id),
});
const login = new LoginView({
	login: (nick, password) => start(nick, password, false),
	offline: async () => {
		const kept = await pages.get(keptNick());
		if (kept !== undefined && !login.page.hidden) readOffline(kept);
	},
	language: () => chooseLanguage(currentLanguage() === "fr" ? "en" : "fr"),
});
const renderSides = eachFrame(() => {
	rooms.render();
	showTitle();
});
const renderMembers = slowly(() => members.render());

/** Close the dialog, if there is one. */
const closeDialog = () => byId("dialog").hasAttribute("open") && /** @type {HTMLDialogElement} */ (byId("dialog")).close();

/** Modules that a new user does not need to write the first message. */
const LATER = ["./dialogs.js", "./menus.js", "./message_menu.js", "./palette.js", "./search.js"];

function newRef() {
	// Without https, randomUUID is missing.
	if (crypto.randomUUID !== undefined) return crypto.randomUUID();
	return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

// The connection

/** @param {string} nick @param {string} password @param {boolean} patient */
function start(nick, password, patient) {
	nickWanted = nick;
	wire.login({ nick, password }, patient);
}

/** @param {WireState} what @param {number} seconds */
function stateChanged(what, seconds) {
	byId("app").toggleAttribute("data-online", what === "online");
	if (what !== "online") outbox.lost();
	const inside = login.page.hidden;
	if (!inside) {
		if (what === "waiting") unreachable();
		return;
	}
	if (offline) return;
	const status = byId("status");
	if (what === "online" || what === "closed") status.textContent = "";
	else if (what === "connecting") status.textContent = t("Connecting…");
	else if (seconds < 1) status.textContent = t("Connection lost. Connecting again…");
	else {
		// Said once: a screen reader need not hear each second.
		status.replaceChildren(
			t("Connection lost. Next attempt in {n} s.", { n: Math.ceil(seconds) }) + " ",
			button(t("Now"), () => wire.poke(), "link"),
		);
	}
}

/** Nobody has logged in and the daemon does not answer. After a reload, what is kept here is shown at once. */
async function unreachable() {
	const kept = await pages.get(keptNick());
	if (login.page.hidden) return;
	if (kept !== undefined && kept.nick === nickWanted && kept.nick === session.get()?.nick) readOffline(kept);
	else login.unreachable(t("The server does not answer. Trying again…"), kept !== undefined);
}

/** @param {Wired} welcome @param {boolean} resumed */
function welcomed(welcome, resumed) {
	setOffline(false);
	const before = state.me;
	if (welcome.limits) limits = welcome.limits;
	history.limit = limits.page;
	const nick = welcome.user.nick;
	if (resumed) {
		state.identify(welcome);
		if (nick !== before) newGuest(before);
	} else {
		const { active } = state;
		state.begin(welcome);
		target.clear();
		typingView.clear();
		const place = active === LOBBY ? sessionStorage.getItem("chatd:open") : active;
		restorePlace = place;
		outbox.load(ownNick());
		if (nickWanted === "") outbox.waiting().forEach(otherGuest);
		texts = drafts.get(ownNick());
		quietKeys = quiet.get(ownNick());
	}
	session.set({ nick: ownNick() });
	if (nickWanted !== "") lastNick.set(nick);
	byId("me-nick").textContent = nick;
	if (!login.page.hidden) {
		login.hide();
		composer.focus();
	}
	byId("reply").hidden = true;
	requestLists();
	if (!resumed) showConversation();
}

/** The nick under which things are kept; a guest has none. */
const ownNick = () => (nickWanted === "" ? "" : state.me);

/** The nick whose pages may be read offline: one that has logged in here, and not out. */
const keptNick = () => session.get()?.nick || lastNick.get();

/** @type {string | null} */
let restorePlace = null;

/** The nick that this guest had on the connection before. */
let guestBefore = "";

/** A guest gets another nick with each connection: what went to groups and users can't be sent any more. @param {string} before */
function newGuest(before) {
	guestBefore = before;
	for (const conversation of [...state.conversations.values()]) {
		if (conversation.kind !== "lobby") conversation.gone = true;
		if (conversation.kind !== "lobby") outbox.of(conversation.key).forEach(otherGuest);
	}
}

/** @param {Item} item */
function otherGuest(item) {
	outbox.fail(item, { code: "", msg: t("You are another guest now.") });
}

/** Open the conversation that was open before a reload, once it is known. */
function restore() {
	if (restorePlace !== null && state.conversations.has(restorePlace)) openConversation(restorePlace);
}

async function requestLists() {
	readAll("client-list-clients", "clients").then((names) => {
		if (names === null) return;
		state.online = new Set(names);
		renderSides();
		renderMembers();
	});
	loadGroups().then(() => loadMembers(state.current));
	await readMarks.load();
	restore();
	renderSides();
}

let groupsAt = 0;

async function loadGroups() {
	groupsAt = Date.now();
	const groups = await readAll("groups", "groups");
	if (groups === null) return;
	state.setGroups(groups);
	renderSides();
	showHead();
	showOutbox();
}

const groupsSoon = slowly(() => wire.ready && loadGroups(), GROUPS_MS);

/** Read a list that may come in several parts. @param {string} action @param {string} key @returns {Promise<any[] | null>} */
async function readAll(action, key, extra = {}) {
	/** @type {any[]} */
	let all = [];
	for (;;) {
		const answer = await ask({ action, ...extra, ...(all.length > 0 ? { skip: all.length } : {}) });
		if (!Array.isArray(answer[key])) return null;
		all = all.concat(answer[key]);
		if (!answer.more || answer[key].length === 0) return all;
	}
}

function caughtUp() {
	byId("app").dataset.ready = "true";
	for (const item of outbox.waiting()) wire.send(outbox.request(item));
	restore();
	history.open(state.current);
	showOutbox();
	renderSides();
	log.changed(true);
	offerInvitation();
	keepSoon();
	loadRest();
}

/** Load what is not needed before the first message is written, so that it is there without a connection. */
async function loadRest() {
	await new Promise((done) => (window.requestIdleCallback ?? setTimeout)(done));
	await loadSentences();
	keepShell();
	await Promise.allSettled(LATER.map((one) => import(one)));
	await readMarks.findMentions();
}

/** Send a request and return its answer. A refusal can be shown in the user's language then. @param {Wired} request */
async function ask(request) {
	const answer = await wire.request(request);
	if (answer.action === "server-error") await loadSentences();
	return answer;
}

/**
 * Ask whether to use the invitation link with which the page was opened. Any site can send a visitor here by one:
 * before the answer it is not used.
 */
function offerInvitation() {
	if (invitation === "") return;
	const link = invitation;
	invitation = "";
	byId("login-invited").hidden = true;
	const join = button(t("Join"), async () => {
		const answer = await ask({ action: "uselink", link });
		if (answer.code === "connection_lost") return;
		offer.remove();
		if (answer.action === "server-error") reply.answer(t("Invitation"), answer);
		else if (answer.group) entered(answer.group);
	}, "primary");
	const offer = addNotice(t("A link invites you to a group. Join it?"), join, button(t("No"), () => offer.remove()));
}

/** @param {Wired} object */
function received(object) {
	const item = outbox.answered(object);
	if (item !== null) {
		if (object.action === "server-ack") {
			const conversation = state.conversation(item.kind, item.kind === "direct" ? object.to || item.name : item.name);
			const kind = item.image ? "image" : kindOf(item.msg);
			state.own(conversation, sayingEntry({ ...item, id: object.id, ts: object.ts, from: state.me, kind }));
			if (conversation.key === state.active) log.changed(false);
		}
		showOutbox();
		renderSides();
		keepSoon();
		return;
	}
	if (object.action === "server-error") {
		if (object.ref === undefined && object.code !== "shutting_down") loadSentences().then(() => addNotice(refusalText(/** @type {any} */ (object))));
		return;
	}
	if (object.action === "server-read") {
		readMarks.moved(object);
		return;
	}
	if (object.action === "server-typing") {
		typingView.received(object);
		return;
	}
	// A ref is its author's: the daemon can't know that a guest's message comes from the guest before.
	if (object.action === "server-broadcast" && object.from === guestBefore) outbox.stored(LOBBY, object.msg);
	const gone = state.current.gone;
	for (const news of state.receive(object)) tell(news);
	if (object.action === "server-event") {
		renderMembers();
		if (object.id !== undefined) {
			showHead();
			if (object.subject === state.me || object.actor === state.me) groupsSoon();
			if (gone && !state.current.gone) showConversation();
			else if (state.current.gone !== gone) showOutbox();
		}
		if (object.deleted || object.edited || object.message) log.changed(true);
	}
	if (object.action === "server-history") log.changed(true);
	renderSides();
	keepSoon();
}

/** @param {News} news */
function tell(news) {
	if (news.what === "announced") {
		addNotice(t("Announcement of {nick}: {text}", { nick: news.actor, text: news.text }));
		return;
	}
	if (news.what === "invited") {
		notify(t("Invitation"), t("{actor} invites you to {group}", { actor: news.actor, group: news.group }), `invitation:${news.group}`, () => {});
		byId("offer-said").textContent = t("{actor} invites you to {group}", { actor: news.actor, group: news.group });
		return;
	}
	const { conversation, entry, mentioned } = news;
	if (entry.from !== undefined) typingView.wrote(conversation.key, entry.from);
	readMarks.sendSoon();
	if (conversation.key === state.active) {
		log.changed(false);
		searchSoon();
		if (!log.atEnd) showJump();
	}
	if (isQuiet(conversation.key)) return;
	if (entry.from !== undefined && entry.from !== state.me && (mentioned || conversation.kind === "direct")) {
		const title = conversation.kind === "direct" ? entry.from : `${entry.from} · ${placeName(conversation)}`;
		const text = entry.kind === "action" ? `* ${entry.from} ${entry.msg}` : (entry.msg ?? "");
		notify(title, entry.kind === "image" ? t("Picture made of characters") : text, conversation.key, () => openConversation(conversation.key));
	}
}

const searchSoon = slowly(() => search?.changed(false));

/** @param {Wired} refusal @param {boolean} wasIn */
async function ended(refusal, wasIn) {
	await loadSentences();
	setOffline(false);
	const shutOut = SHUT_OUT.has(refusal.code);
	if (!wasIn || shutOut) session.set(null);
	if (shutOut) pages.remove(state.me || nickWanted);
	outbox.lost();
	login.show(/** @type {any} */ (refusal), nickWanted);
}

// Conversations

/** @param {string} key */
function openConversation(key) {
	const again = key === state.active;
	if (!again) {
		typingView.own.stop();
		foundId = 0;
	}
	restorePlace = null;
	state.activate(key);
	byId("rooms").classList.remove("open");
	byId("rooms-open").setAttribute("aria-expanded", "false");
	try {
		sessionStorage.setItem("chatd:open", state.active);
	} catch {
		// The place is forgotten.
	}
	if (!again) reply.hide();
	showConversation();
	composer.focus();
}

function showConversation() {
	const { current } = state;
	log.show(current.entries);
	target.show(current.key);
	composer.set(texts[current.key] ?? "");
	showHead();
	showOutbox();
	typingView.show();
	members.reset();
	search?.changed(true);
	readNow();
	renderSides();
	if (wire.ready) {
		history.open(current);
		loadMembers(current);
	}
}

/** @param {Conversation} conversation */
async function loadMembers(conversation) {
	const { kind, name, gone } = conversation;
	if (kind !== "group" || gone || state.members.has(name)) return;
	const list = await readAll("members", "members", { group: name });
	if (list !== null) state.setMembers(name, list);
	members.render();
}

/** @param {Conversation} conversation */
function historyChanged(conversation) {
	if (conversation.key === state.active) {
		log.changed(true);
		readNow();
		showHead();
	}
	renderSides();
}

/** @param {{kind: Kind, name: string}} place */
const placeName = ({ kind, name }) => (kind === "lobby" ? t("Lobby") : kind === "group" ? `#${name}` : name);

function showHead() {
	const { current } = state;
	const place = placeName(current);
	byId("title").textContent = place;
	composer.text.placeholder = t("Message to {place}", { place });
	const row = state.groups.get(current.name);
	byId("topic").textContent = current.kind === "group" ? (row?.topic ?? "") : "";
	byId("members-open").hidden = current.kind === "direct";
	const { complete, trimmed, gone } = current;
	byId("beginning").textContent = gone && current.kind === "group" ? t("You are not a member of this group.")
		: !complete ? (wire.ready ? t("Reading…") : "") : trimmed > 0 ? t("Older messages were deleted.") : t("The conversation begins here.");
	members.render();
}

function showTitle() {
	setTitle(state.unread, placeName(state.current));
	showJump();
}

/** The line "new" that has been in view, by conversation and place. */
let seenLine = "";

/** Offer the way to the first unread message while it is above what is in view. */
function showNew() {
	const { key, read, entries } = state.current;
	if (entries.length === 0) return;
	const line = `${key} ${read.newAfter}`;
	const above = read.newAfter !== null && line !== seenLine && log.isAbove(read.newAfter + 1);
	if (!above) seenLine = line;
	const offer = byId("unread");
	if (offer.hidden === !above) return;
	offer.hidden = !above;
	byId("unread-go").textContent = `↑ ${t("New messages")}`;
}

/** The id behind which the line "new" stands; null without one, and while what precedes it is not there. */
function newLine() {
	const { entries, complete, read } = state.current;
	return read.newAfter !== null && (complete || (entries[0]?.id ?? 0) <= read.newAfter) ? read.newAfter : null;
}

/** Go to the first message that was unread when the conversation was opened, or on to one that mentions the user. */
async function goToNew() {
	const { current } = state;
	const jump = current.read.nextJump();
	if (jump?.mention) goToMessage(current, jump.id);
	else if (jump && (await history.around(current, jump.id - 1)) && current.key === state.active) log.goTo(jump.id);
}

function showJump() {
	const jump = byId("jump");
	const { read, newer } = state.current;
	const { unread } = read;
	jump.hidden = log.atEnd && !newer;
	jump.textContent = unread > 0 ? `↓ ${t("{n} unread", { n: unread })}` : `↓ ${t("To the end")}`;
}

/** The user sees the end of the open conversation: it is read. */
function readNow() {
	const { current } = state;
	state.reading = state.counted && log.atEnd && !current.newer && !document.hidden && document.hasFocus() && login.page.hidden && !offline;
	showJump();
	if (!state.reading) return;
	if (current.read.seeAll()) renderSides();
	readMarks.sendSoon();
	keepSoon();
}

/** Go to an entry of a conversation, wherever it is in its history. @param {Conversation} conversation @param {number} id */
async function goToMessage(conversation, id) {
	if (conversation.key !== state.active) openConversation(conversation.key);
	if (!(await history.around(conversation, id)) || conversation.key !== state.active) return;
	foundId = id;
	if (search !== null) search.found = 0;
	log.goTo(id);
}

/** @param {string} nick */
function openDirect(nick) {
	openConversation(state.conversation("direct", nick).key);
}

/** @param {string} group */
async function joinGroup(group) {
	const answer = await act({ action: "join", group }, t("Join"));
	if (answer.action === "server-ack") closeDialog();
}

/** The user has become a member of a group by a link. @param {string} group */
function entered(group) {
	state.enter(group);
	loadGroups();
	openConversation(keyOf("group", group));
}

// Requests

/** Carry out a request of the user and show what was refused. @param {Wired} request @param {string} title */
async function act(request, title) {
	const answer = await ask(request);
	if (answer.action === "server-error") {
		closeDialog();
		reply.answer(title, answer);
	} else {
		acknowledged(request, answer);
	}
	return answer;
}

/** The session that makes a change gets the ack alone: the event is made from it. @param {Wired} request @param {Wired} answer */
function acknowledged(request, answer) {
	if (answer.action !== "server-ack") return;
	const command = table.actions.get(request.action);
	if (command?.event === undefined) {
		sentByCommand(request, answer);
		return;
	}
	const { dest, action, ref, ...fields } = request;
	/** @type {Wired} */
	const event = { ...fields, event: command.event, actor: state.me, subject: dest, group: answer.group, id: answer.id, ts: answer.ts };
	if (command.event === "created") event.visibility ??= "public";
	if (command.event === "history") event.history = request.mode;
	if (command.event === "deleted") Object.assign(event, { subject: answer.to, deleted: Number(request.id) });
	if (command.event === "edited") Object.assign(event, { edited: Number(request.id), kind: state.entry(Number(request.id))?.kind === "notice" ? "notice" : kindOf(request.msg) });
	if (request.reaction) Object.assign(event, { message: Number(request.id), reaction: String(request.reaction).normalize("NFC") });
	if (command.event === "joined" || command.event === "created") {
		if (command.event === "created") state.setMembers(answer.group, [{ name: state.me, role: "owner", online: true }]);
		state.event(event);
		groupsSoon();
		openConversation(keyOf("group", answer.group));
		return;
	}
	state.event(event);
	groupsSoon();
	log.changed(Boolean(event.deleted ?? event.edited ?? event.message));
	showHead();
	showOutbox();
	renderSides();
}

/** @param {Wired} request @param {Wired} answer */
function sentByCommand(request, answer) {
	if (request.msg === undefined) return;
	const conversation = answer.group ? state.conversation("group", answer.group) : answer.to ? state.conversation("direct", answer.to) : state.conversation("lobby", "");
	const { msg, id } = request;
	const answered = request.action === "reply" ? { reply_to: Number(id), reply_from: state.entry(Number(id))?.from } : {};
	state.own(conversation, sayingEntry({ id: answer.id, ts: answer.ts, from: state.me, msg, kind: kindOf(msg), ...answered }));
	if (conversation.key !== state.active) openConversation(conversation.key);
	log.changed(false);
	renderSides();
}

/** Send what was typed; return whether it is dealt with. @param {string} text */
function submit(text) {
	const aim = target.current;
	if (aim?.what === "edit" && !table.isSecret(text)) {
		messageActions.sendEdit(aim, text.trimEnd());
		return false;
	}
	const { kind, name } = state.current;
	const typed = table.parse(text, { kind, name, lastMessage: (own) => lastMessage(own)?.id ?? 0, isGroup });
	if (typed.what === "wrong") {
		reply.wrong(text.split(/[\s;]/u)[0], typed.text);
		return false;
	}
	if (typed.what === "message") return send(typed.text.trimEnd(), false);
	const title = text.startsWith("/") ? text.split(/\s/u)[0] : text.split(";")[0];
	if (!wire.ready) {
		reply.wrong(title, t("Not connected: commands need the server."));
		return false;
	}
	run(title, typed.command, typed.request);
	return true;
}

/** @param {string} title @param {Command} command @param {Wired} request */
async function run(title, command, request) {
	if (command.name === "quit") {
		logOut();
		return;
	}
	if (command.name === "search") {
		reply.hide();
		(await openSearch()).everywhere(request.words);
		return;
	}
	const sends = request.msg !== undefined && command.event === undefined;
	if (sends) sending++;
	const answer = await ask(request);
	if (sends) sending--;
	acknowledged(request, answer);
	for (const row of answer.commands ?? []) row.help = table.actions.get(row.action)?.help ?? t(row.help);
	const shown = answer.action !== "server-ack" || (command.event !== "joined" && command.event !== "created" && request.msg === undefined);
	if (shown) reply.answer(title, answer);
	else reply.hide();
}

/** @param {string} text @param {boolean} image */
function send(text, image) {
	const { current } = state;
	const bytes = new TextEncoder().encode(text).length;
	if (current.gone && current.kind === "group") {
		reply.wrong(placeName(current), t("You are not a member of this group."));
		return false;
	}
	if (bytes > (image ? IMAGE_BYTES : limits.message)) {
		reply.wrong(t("Message"), t("This message has {n} bytes; {m} are allowed: shorten it, or split it.", { n: bytes, m: image ? IMAGE_BYTES : limits.message }));
		return false;
	}
	const answers = target.current?.what === "reply" ? target.current : undefined;
	const item = outbox.add(current, text, image, answers?.entry);
	if (wire.ready) wire.send(outbox.request(item));
	typingView.own.stop(false);
	if (answers !== undefined) target.set(null);
	reply.hide();
	showOutbox();
	toEnd();
	current.read.newAfter = null;
	log.changed(true);
	return true;
}

/** Show the end of the open conversation. */
async function toEnd() {
	const { current } = state;
	foundId = 0;
	if (current.newer) await history.latest(current);
	if (current.key !== state.active) return;
	log.toEnd();
	readNow();
}

// Messages

/** How many commands that send messages have no answer yet. */
let sending = 0;

/** Whether the user knows a group of this name. @param {string} name */
function isGroup(name) {
	const own = [...state.conversations.values()].filter(({ kind }) => kind === "group");
	return [...state.groups.keys(), ...own.map((one) => one.name)].some((one) => one.toLowerCase() === name.toLowerCase());
}

/** The last message of the open conversation, of the user or of somebody else, if it is known which that is. @param {boolean} own */
function lastMessage(own) {
	const { entries, newer } = state.current;
	if (newer || (own && (sending > 0 || outbox.of(state.active).length > 0))) return undefined;
	return entries.findLast((one) => one.from !== undefined && !one.deleted && (one.from === state.me) === own);
}

/** @param {string} key */
function isQuiet(key) {
	return quietKeys.includes(key);
}

/** @param {string} key @param {boolean} wanted */
function setQuiet(key, wanted) {
	quietKeys = quietKeys.filter((one) => one !== key);
	if (wanted) quietKeys.push(key);
	quiet.set(ownNick(), quietKeys);
	renderSides();
}

/** Show the messages of the open conversation that have no ack. */
function showOutbox() {
	const items = outbox.of(state.active);
	const list = byId("outbox");
	if (items.length === 0 && list.childElementCount === 0) return;
	list.replaceChildren(...items.slice(-50).map((item) => {
		const body = item.image ? artNode(item.msg, "") : el("div", "body", item.msg);
		if (!item.image) body.dir = "auto";
		const said = el("div", "state", t(item.state === "failed" ? "Not sent" : wire.ready ? "Sending…" : "Waits for the connection"));
		const row = el("li", item.state, body, said);
		if (item.state === "waiting" && !wire.ready) said.append(button(t("Take back"), () => takeBack(item)));
		if (item.state === "failed") {
			if (item.refusal?.msg) said.append(`: ${refusalText(/** @type {any} */ (item.refusal))}`);
			said.append(
				button(t("Try again"), () => {
					outbox.retry(item.ref);
					if (wire.ready) wire.send(outbox.request(item));
					showOutbox();
				}),
				button(t("Take back"), () => takeBack(item)),
				button(t("Delete"), () => {
					outbox.remove(item.ref);
					showOutbox();
					composer.focus();
				}),
			);
		}
		return row;
	}));
	log.schedule();
}

/** Take a message that was not sent back into the field; what is there follows it. @param {Item} item */
function takeBack(item) {
	outbox.remove(item.ref);
	showOutbox();
	if (!item.image) {
		composer.set([item.msg, composer.value].filter(Boolean).join("\n"));
		typing(composer.value);
	}
	composer.focus();
	if (item.again) addNotice(t("The server may have got this message before the connection was lost."));
}

/** @param {string} text */
function typing(text) {
	typingView.own.typed(state.current, text.trim() !== "" && !table.isCommand(text), performance.now());
	if (target.current?.what === "edit") return;
	saveDraft(text);
	// The daemon does not say when others make groups.
	const { command, fields } = table.begun(text);
	if (command?.fields[fields.length - 1]?.name === "group" && wire.ready && Date.now() - groupsAt > 1000) loadGroups();
}

/** @param {string} text */
function saveDraft(text) {
	if (text === "" || table.isCommand(text)) delete texts[state.active];
	else texts[state.active] = text;
	draftsSoon();
}

const draftsSoon = slowly(() => session.get() !== null && drafts.set(ownNick(), texts));

function* knownNicks() {
	const seen = new Set(state.online);
	const { current } = state;
	for (const one of state.members.get(current.name)?.keys() ?? []) seen.add(one);
	for (const one of state.conversations.values()) if (one.kind === "direct") seen.add(one.name);
	seen.delete(state.me);
	yield* seen;
}

/** Show a picture as characters before it is sent. @param {File} file */
async function offerPicture(file) {
	if (!file.type.startsWith("image/")) {
		(await import("./dialogs.js")).openDialog(t("No picture"), [el("p", "", t("This server takes no files. Pictures can be sent as characters.")), el("p", "buttons", button(t("Close"), closeDialog, "primary"))]);
		return;
	}
	const { openDialog, submitButton } = await import("./dialogs.js");
	const preview = el("div");
	let art = "";
	const width = el("input");
	Object.assign(width, { type: "range", min: "20", max: "200", value: String(IMAGE_COLUMNS) });
	width.setAttribute("aria-label", t("Width in characters"));
	const draw = async () => {
		try {
			const { toCharacters } = await import("./image.js");
			art = await toCharacters(file, Number(width.value), IMAGE_BYTES);
			preview.replaceChildren(artNode(art, ""));
		} catch {
			art = "";
			preview.replaceChildren(el("p", "error", t("This picture can't be read.")));
		}
	};
	await draw();
	width.addEventListener("input", draw);
	openDialog(t("Send a picture as characters"), [preview, width, el("p", "buttons", submitButton(t("Send")), button(t("Cancel"), closeDialog))], () => {
		if (art === "") return;
		closeDialog();
		send(art, true);
		composer.focus();
	});
}

/** @param {string} text @param {...HTMLElement} answers what is there instead of a button that closes it */
function addNotice(text, ...answers) {
	const notices = byId("notices");
	const line = el("p", "", el("span", "", text), ...answers);
	line.setAttribute("role", "alert");
	if (answers.length === 0) {
		const close = button("✕", () => line.remove(), "icon");
		close.setAttribute("aria-label", t("Close"));
		line.append(close);
	}
	notices.append(line);
	while (notices.childElementCount > 3) notices.firstElementChild?.remove();
	return line;
}

// What is kept

function keepSoon() {
	keepTimer ??= setTimeout(keep, KEEP_MS);
}

function keep() {
	clearTimeout(keepTimer);
	keepTimer = null;
	if (!state.me || offline || nickWanted === "" || session.get() === null) return;
	pages.set({
		nick: state.me,
		active: state.active,
		groups: [...state.groups.values()],
		conversations: [...state.conversations.values()].map((one) => ({ kind: one.kind, name: one.name, entries: one.newer ? [] : one.entries.slice(-KEPT_ENTRIES) })),
	});
}

/** @param {boolean} value */
function setOffline(value) {
	offline = value;
	for (const id of ["text", "send", "attach", "browse", "new-message"]) byId(id).toggleAttribute("disabled", value);
}

/** Show the pages that are kept here, until the daemon answers. Whoever wanted another nick stays offline. @param {Snapshot} kept */
function readOffline(kept) {
	if (kept.nick !== nickWanted) wire.close();
	setOffline(true);
	state.me = kept.nick;
	state.conversations.clear();
	state.conversation("lobby", "");
	for (const { kind, name, entries } of kept.conversations) Object.assign(state.conversation(kind, name), { entries, loaded: true });
	state.groups = new Map(kept.groups.map((row) => [row.group, row]));
	state.activate(kept.active);
	outbox.load(kept.nick);
	byId("me-nick").textContent = kept.nick;
	login.hide();
	byId("status").replaceChildren(t("Offline: this is what was kept here.") + " ", button(t("Log in"), () => location.reload(), "link"));
	showConversation();
}

/** Log out, after a question if messages are lost by it. */
async function logOut() {
	if (outbox.size === 0) leave();
	else (await import("./dialogs.js")).confirmDialog(t("Log out"), t("Messages that are not sent yet are deleted."), t("Log out"), leave);
}

/** Nothing of the user stays in the browser: the next user may be another. */
async function leave() {
	// Without a session nothing is kept any more.
	session.set(null);
	readMarks.send();
	if (wire.ready) wire.send({ action: "client-quit" });
	wire.close();
	await forget(ownNick());
	location.reload();
}

// The page

/** @param {string} language */
async function chooseLanguage(language) {
	await setLanguage(language);
	settings.set({ language });
	await loadCommands();
	showLanguage();
	if (byId("dialog").hasAttribute("open")) showOwnMenu();
}

function showLanguage() {
	translatePage(document);
	members.filter.placeholder = t("Filter");
	const other = byId("login-language");
	other.textContent = currentLanguage() === "fr" ? "English" : "Français";
	other.lang = currentLanguage() === "fr" ? "en" : "fr";
	if (login.page.hidden) {
		showHead();
		rooms.render();
		showOutbox();
		composer.hint();
		log.changed(true);
	}
}

async function showOwnMenu() {
	(await import("./menus.js")).ownMenu(state.me, nickWanted === "", ask, { language: chooseLanguage, logOut });
}

/** @param {boolean} open */
function showMembers(open) {
	byId("members").hidden = !open;
	byId("members-open").setAttribute("aria-expanded", String(open));
	if (innerWidth > 960) settings.set({ members: open });
	if (open) members.render();
}

function listen() {
	byId("me").addEventListener("click", () => (offline ? location.reload() : showOwnMenu()));
	byId("browse").addEventListener("click", async () => {
		await loadGroups();
		(await import("./dialogs.js")).groupsDialog([...state.groups.values()], {
			open: (group) => {
				closeDialog();
				openConversation(state.conversation("group", group).key);
			},
			join: joinGroup,
			create: async (group, hidden) => {
				const request = { action: "cgroupe", group, visibility: hidden ? "private" : "public" };
				const answer = await ask(request);
				if (answer.action === "server-error") return refusalText(/** @type {any} */ (answer));
				closeDialog();
				acknowledged(request, answer);
				return "";
			},
		});
	});
	byId("new-message").addEventListener("click", async () => (await import("./dialogs.js")).messageDialog(knownNicks(), openDirect));
	byId("group-open").addEventListener("click", async () => {
		const { kind, name, gone } = state.current;
		if (kind === "group" && !gone && !state.groups.has(name)) await loadGroups();
		(await import("./menus.js")).groupMenu(state, act, {
			link: async (group) => reply.answer(t("Invitation link"), await ask({ action: "invitelink", group })),
			isQuiet,
			setQuiet,
			forget: () => {
				state.forget(state.active);
				openConversation(LOBBY);
			},
		});
	});
	byId("jump").addEventListener("click", () => {
		toEnd();
		composer.focus();
	});
	byId("unread-go").addEventListener("click", goToNew);
	byId("log").addEventListener("click", (event) => messageActions.pressed(event));
	byId("search-open").addEventListener("click", async () => (byId("search").hidden ? openSearch() : search?.close()));
	byId("members-open").addEventListener("click", () => showMembers(byId("members").hidden === true));
	byId("members-close").addEventListener("click", () => {
		showMembers(false);
		byId("members-open").focus();
	});
	const drawer = (/** @type {boolean} */ open) => {
		if (open && innerWidth <= 960) showMembers(false); // they would cover the rooms
		byId("rooms").classList.toggle("open", open);
		byId("rooms-open").setAttribute("aria-expanded", String(open));
		byId(open ? "rooms-close" : "rooms-open").focus();
	};
	byId("rooms-open").addEventListener("click", () => drawer(true));
	byId("rooms-close").addEventListener("click", () => drawer(false));
	byId("scroll").addEventListener("click", () => byId("rooms").classList.remove("open"));
	document.addEventListener("keydown", shortcuts);
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) {
			state.reading = false;
			readMarks.send();
			keep();
			draftsSoon();
		} else {
			wire.poke();
			readNow();
			log.schedule();
		}
	});
	addEventListener("online", () => wire.poke());
	addEventListener("focus", readNow);
	addEventListener("blur", readNow);
	addEventListener("pagehide", () => {
		readMarks.send();
		keep();
	});
}

/** Offer conversations, groups, users and commands; those with unread messages first. */
async function openPalette() {
	if (offline) return;
	const inside = [...state.conversations.values()].sort((one, other) => other.read.unread - one.read.unread);
	const others = [...state.groups.keys()].filter((group) => !state.conversations.has(keyOf("group", group)));
	const nicks = [...knownNicks()].filter((nick) => !state.conversations.has(keyOf("direct", nick)));
	(await import("./palette.js")).openPalette([
		...inside.map((one) => ({ text: placeName(one), about: one.read.unread > 0 ? t("{n} unread", { n: one.read.unread }) : "", chosen: () => openConversation(one.key) })),
		...others.map((group) => ({ text: `#${group}`, about: t("Join"), chosen: () => joinGroup(group) })),
		...nicks.map((nick) => ({ text: nick, about: t("Write a message"), chosen: () => openDirect(nick) })),
		...[...table.slashes].map(([word, { help }]) => ({ text: `/${word}`, about: help, chosen: () => {
			composer.set(`/${word} `);
			composer.focus();
		} })),
	]);
}

/** Open the search. Its field is there at once, for those who type on. */
async function openSearch() {
	const text = /** @type {HTMLInputElement} */ (byId("search-text"));
	byId("search").hidden = false;
	byId("search-open").setAttribute("aria-expanded", "true");
	text.focus();
	text.select();
	const { Search } = await import("./search.js");
	search ??= new Search({
		current: () => state.current,
		readEarlier: (conversation) => history.earlier(conversation, true),
		goTo: (id) => log.goTo(id),
		restyle: () => log.changed(true),
		closed: () => composer.focus(),
		latest: () => history.latest(state.current),
		ask,
		placeName,
		goToMessage: (kind, name, id) => goToMessage(state.conversation(kind, name), id),
	});
	return search;
}

/** @param {KeyboardEvent} event */
function shortcuts(event) {
	if (!login.page.hidden || byId("dialog").hasAttribute("open")) return;
	if ((event.ctrlKey || event.metaKey) && event.key === "f" && document.activeElement !== byId("search-text")) {
		event.preventDefault();
		openSearch();
	} else if ((event.ctrlKey || event.metaKey) && event.key === "k") {
		event.preventDefault();
		openPalette();
	} else if (event.altKey && event.key === "PageUp") {
		event.preventDefault();
		goToNew();
	} else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
		event.preventDefault();
		// With Shift, only those with unread messages.
		const keys = [...document.querySelectorAll(".room[data-key]")]
			.map((one) => /** @type {HTMLElement} */ (one).dataset.key ?? "")
			.filter((key) => !event.shiftKey || key === state.active || state.conversations.get(key)?.read.unread);
		const step = event.key === "ArrowUp" ? -1 : 1;
		openConversation(keys[(keys.indexOf(state.active) + step + keys.length) % keys.length]);
	} else if (event.key === "Escape") {
		if (byId("rooms").classList.contains("open")) byId("rooms-close").click();
		else if (!byId("members").hidden && innerWidth <= 960) byId("members-close").click();
		else if (!byId("reply").hidden) byId("reply-close").click();
		else if (target.current !== undefined && document.activeElement === composer.text) byId("target-close").click();
		else composer.focus();
	}
}

async function loadCommands() {
	try {
		table = new CommandTable(await (await fetch(`commands-${currentLanguage()}.json`)).json());
		composer.hint();
	} catch {
		// Without the table messages can be sent, commands not.
	}
}

function takeInvitation() {
	const found = /^#invite=(\w+)$/u.exec(location.hash);
	if (found === null) return;
	invitation = found[1];
	window.history.replaceState(null, "", location.pathname + location.search);
	byId("login-invited").hidden = false;
	if (wire.ready) offerInvitation();
}

async function begin() {
	await setLanguage(settings.get().language ?? navigator.language);
	takeInvitation();
	addEventListener("hashchange", takeInvitation);
	listen();
	showLanguage();
	showMembers(settings.get().members !== false && innerWidth > 1100);
	const before = session.get();
	if (before === null) login.show(null);
	await loadCommands();
	showLanguage();
	if (before !== null) start(before.nick, "", true);
}

begin();
