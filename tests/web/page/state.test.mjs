import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatState, find, kindOf, sayingEntry } from "./state.js";

const TS = "2026-11-26T10:00:00.000Z";

function begun(cursor = 100, seen = 100) {
  const state = new ChatState();
  state.begin({ user: { id: 1, nick: "alice", colour: "#112233" }, cursor, seen, returning: true });
  return state;
}

const said = (id, from, msg, more = {}) => ({ action: "server-broadcast", id, ts: TS, from, msg, ...more });
const ids = (conversation) => conversation.entries.map((one) => one.id);

test("messages go to the conversations that they belong to", () => {
  const state = begun();
  state.receive(said(101, "bob", "hello"));
  state.receive({ ...said(102, "bob", "psst"), action: "server-send", to: "alice" });
  state.receive({ ...said(103, "alice", "answer"), action: "server-send", to: "bob" });
  state.receive({ ...said(104, "bob", "in wob"), action: "server-gbroadcast", group: "wob" });
  assert.deepEqual(ids(state.conversation("lobby", "")), [101]);
  assert.deepEqual(ids(state.conversation("direct", "bob")), [102, 103]);
  assert.deepEqual(ids(state.conversation("group", "wob")), [104]);
});

test("an entry that comes twice is there once, in order", () => {
  const state = begun();
  for (const id of [103, 101, 102, 101, 103]) state.receive(said(id, "bob", "x"));
  assert.deepEqual(ids(state.current), [101, 102, 103]);
});

test("an own message that the replay has delivered is not doubled by its ack", () => {
  const state = begun();
  state.receive(said(101, "alice", "mine"));
  assert.deepEqual(state.own(state.current, { id: 101, ts: TS, from: "alice", msg: "mine" }), []);
  assert.deepEqual(ids(state.current), [101]);
});

test("what one does and what programs say is kept with its kind", () => {
  const state = begun();
  state.receive(said(101, "bob", "/me waves", { kind: "action" }));
  state.receive(said(102, "bob", "/me waves"));
  state.receive(said(103, "bob", "done", { kind: "notice" }));
  state.receive(said(104, "bob", "", { kind: "action", deleted: true }));
  state.receive(said(105, "bob", "x", { kind: "later" }));
  const kept = state.current.entries.map(({ msg, kind }) => [msg, kind]);
  assert.deepEqual(kept, [["waves", "action"], ["/me waves", undefined], ["done", "notice"], ["", "action"], ["x", undefined]]);
});

test("an own text is of the kind that the daemon makes of it", () => {
  for (const text of ["/me waves", "/me  \n.", "/me /me"]) assert.equal(kindOf(text), "action", text);
  for (const text of ["/me", "/me ", "/me \n\t", "/ME waves", " /me waves", "/me\twaves", "a /me b"]) assert.equal(kindOf(text), "message", text);
  assert.equal(sayingEntry({ id: 1, ts: TS, from: "alice", msg: "/me waves", kind: "action" }).msg, "waves");
});

test("unread messages and mentions are counted until the conversation is read", () => {
  const state = begun();
  state.reading = false;
  state.receive(said(101, "bob", "hello"));
  state.receive(said(102, "bob", "hey @Alice!"));
  state.receive(said(103, "alice", "from my other session"));
  const { read } = state.current;
  assert.deepEqual([read.unread, read.mentions, read.newAfter, read.markToSend], [2, [102], 100, 100]);
  assert.deepEqual(state.unread, { all: 2, personal: 1 });
  read.seeAll();
  assert.deepEqual([read.unread, read.mentions, read.markToSend], [0, [], 103]);
});

test("the open conversation is read as it comes", () => {
  const state = begun();
  state.receive(said(101, "bob", "hello"));
  assert.equal(state.current.read.unread, 0);
  assert.equal(state.current.read.markToSend, 101);
});

test("each direct message concerns the user", () => {
  const state = begun();
  state.receive({ ...said(101, "bob", "psst"), action: "server-send", to: "alice" });
  assert.equal(state.unread.personal, 1);
});

test("pages of the login count what came after the last seen id, until the read marks are there", () => {
  const messages = [98, 99, 100].map((id) => ({ id, ts: TS, from: id === 100 ? "alice" : "bob", msg: "x" }));
  const page = { action: "server-history", with: "bob", seen: 98, messages, more: true };
  const state = begun();
  state.receive(page);
  const direct = state.conversation("direct", "bob");
  assert.deepEqual([direct.read.unread, direct.complete, direct.loaded], [1, false, true]);
  assert.equal(state.counted, false);
  state.summaries([{ kind: "direct", name: "bob", last: 100, unread: 0, read: 99 }]);
  assert.deepEqual([direct.read.unread, state.counted], [0, true]);
});

test("mentions in the pages of the login are found, and what another session reads is read here", () => {
  const state = begun(100, 90);
  const messages = [[95, "alice, look"], [96, "nothing"], [97, "@alice"]].map(([id, msg]) => ({ id, ts: TS, from: "bob", msg }));
  state.receive({ action: "server-history", group: "wob", seen: 90, messages });
  state.summaries([{ kind: "group", name: "wob", last: 97, unread: 3, read: 90 }]);
  assert.deepEqual(state.unread, { all: 3, personal: 2 });
  assert.equal(state.moveMark({ group: "wob", id: 97 }), false);
  assert.deepEqual(state.unread, { all: 0, personal: 0 });
  assert.equal(state.moveMark({ group: "unknown", id: 97 }), false);
});

test("a page from the past has no gap to what comes meanwhile", () => {
  const state = begun();
  for (const id of [198, 199, 200]) state.receive(said(id, "bob", "x"));
  state.around({ messages: [48, 49, 50].map((id) => ({ id, ts: TS, from: "bob", msg: "x" })), more: true });
  const lobby = state.current;
  assert.deepEqual([ids(lobby), lobby.newer, lobby.complete], [[48, 49, 50], true, false]);
  state.receive(said(201, "bob", "meanwhile"));
  assert.deepEqual([ids(lobby), lobby.read.unread], [[48, 49, 50], 1]);
  state.receive({ action: "server-event", id: 202, ts: TS, event: "deleted", actor: "bob", subject: "bob", deleted: 49 });
  assert.equal(lobby.entries[1].deleted, true);
  state.later({ messages: [{ id: 51, ts: TS, from: "bob", msg: "x" }], more: true });
  assert.equal(lobby.newer, true);
  state.later({ messages: [198, 199, 200, 201].map((id) => ({ id, ts: TS, from: "bob", msg: "x" })) });
  assert.deepEqual([ids(lobby), lobby.newer], [[48, 49, 50, 51, 198, 199, 200, 201], false]);
  state.receive(said(203, "bob", "y"));
  assert.equal(lobby.entries.at(-1).id, 203);
});

test("reactions are counted by who has reacted, each once", () => {
  const state = begun();
  let id = 101;
  const reacts = (actor, reaction, event = "reacted") =>
    state.receive({ action: "server-event", id: ++id, ts: TS, event, actor, message: 101, reaction });
  state.receive(said(101, "bob", "it works"));
  reacts("alice", "+1");
  reacts("carol", "bravo");
  reacts("bob", "+1");
  reacts("bob", "+1");
  assert.deepEqual(state.current.entries[0].reactions, [{ reaction: "+1", nicks: ["alice", "bob"] }, { reaction: "bravo", nicks: ["carol"] }]);
  assert.equal(state.current.entries[0].version, 4);
  reacts("carol", "bravo", "unreacted");
  reacts("carol", "none", "unreacted");
  assert.deepEqual(state.current.entries[0].reactions, [{ reaction: "+1", nicks: ["alice", "bob"] }]);
  for (let n = 0; n < 2000; n++) reacts(`user${n}`, "+1");
  assert.equal(state.current.entries[0].reactions[0].nicks.length, 2002);
  state.receive({ action: "server-event", id: ++id, ts: TS, event: "deleted", actor: "bob", subject: "bob", deleted: 101 });
  assert.equal(state.current.entries[0].reactions, undefined);
  assert.deepEqual(ids(state.current), [101]);
});

test("answers and pages keep what belongs to a message", () => {
  const state = begun();
  state.receive(said(101, "bob", "I do", { reply_to: 7, reply_from: "carol" }));
  state.page({ messages: [{ id: 50, ts: TS, from: "bob", msg: "x", edited: true, reactions: [{ reaction: "+1", nicks: ["bob"] }] }] }, null);
  const [earlier, answer] = state.current.entries;
  assert.deepEqual([answer.reply_to, answer.reply_from], [7, "carol"]);
  assert.deepEqual([Boolean(earlier.edited), earlier.reactions], [true, [{ reaction: "+1", nicks: ["bob"] }]]);
});

test("earlier pages and events come before and between", () => {
  const state = begun();
  state.receive({ ...said(110, "bob", "x"), action: "server-gbroadcast", group: "wob" });
  state.page({ group: "wob", messages: [{ id: 104, ts: TS, from: "bob", msg: "a" }, { id: 108, ts: TS, from: "bob", msg: "b" }], more: true }, 110);
  state.events("wob", [{ id: 105, ts: TS, event: "joined", actor: "carol" }, { id: 109, ts: TS, event: "left", actor: "carol" }]);
  const wob = state.conversation("group", "wob");
  assert.deepEqual(ids(wob), [104, 105, 108, 109, 110]);
  assert.equal(wob.complete, false);
  state.page({ group: "wob", messages: [] }, 104);
  assert.equal(wob.complete, true);
  assert.equal(find(wob.entries, 106), 2);
  state.page({ group: "wob", messages: [{ id: 108, ts: TS, from: "bob", msg: "b" }, { id: 111, ts: TS, from: "bob", msg: "c" }] }, null);
  assert.deepEqual(ids(wob), [104, 105, 108, 109, 110, 111]);
});

test("invitations come and go", () => {
  const state = begun();
  const news = state.receive({ action: "server-event", id: 101, ts: TS, event: "invited", group: "den", actor: "bob", subject: "alice" });
  assert.deepEqual(news, [{ what: "invited", group: "den", actor: "bob" }]);
  assert.equal(state.unread.personal, 1);
  state.event({ id: 102, ts: TS, event: "joined", group: "den", actor: "alice" });
  assert.equal(state.invitations.size, 0);
  assert.equal(state.conversation("group", "den").gone, false);
});

test("the list of groups tells the invitations and which groups the user has left", () => {
  const state = begun();
  state.conversation("group", "old");
  state.setGroups([
    { group: "den", role: "invited", owner: "bob" },
    { group: "wob", role: "member", owner: "bob" },
    { group: "open", role: "", owner: "bob" },
  ]);
  assert.deepEqual([...state.invitations], [["den", ""]]);
  assert.equal(state.conversation("group", "old").gone, true);
  assert.equal(state.conversations.has("group:wob"), true);
  assert.equal(state.conversations.has("group:open"), false);
});

test("a closed group is in no list", () => {
  const state = begun();
  state.conversation("group", "wob");
  state.setGroups([{ group: "wob", role: "member", owner: "bob", members: 2, topic: "", visibility: "public" }]);
  state.receive({ action: "server-event", group: "wob", id: 101, ts: TS, event: "closed", actor: "bob" });
  assert.equal(state.groups.has("wob"), false);
  assert.equal(state.conversation("group", "wob").gone, true);
});

test("events change the members, their roles and the group", () => {
  const state = begun();
  state.conversation("group", "wob");
  state.setGroups([{ group: "wob", role: "member", owner: "bob", members: 2, topic: "", visibility: "public" }]);
  state.setMembers("wob", [{ name: "bob", role: "owner", online: true }, { name: "alice", role: "member", online: true }]);
  let id = 100;
  const event = (fields) => state.receive({ action: "server-event", group: "wob", id: ++id, ts: TS, ...fields });
  event({ event: "joined", actor: "carol" });
  event({ event: "promoted", actor: "bob", subject: "carol", role: "operator" });
  event({ event: "topic", actor: "bob", topic: "rain" });
  assert.equal(state.members.get("wob").get("carol").role, "operator");
  assert.equal(state.groups.get("wob").members, 3);
  assert.equal(state.groups.get("wob").topic, "rain");
  event({ event: "kicked", actor: "bob", subject: "carol", reason: "" });
  assert.equal(state.members.get("wob").has("carol"), false);
  event({ event: "kicked", actor: "bob", subject: "alice", reason: "" });
  assert.equal(state.conversation("group", "wob").gone, true);
});

test("a deleted message loses its text", () => {
  const state = begun();
  state.receive(said(101, "bob", "an insult"));
  state.receive({ action: "server-event", id: 102, ts: TS, event: "deleted", actor: "teacher", subject: "bob", deleted: 101, reason: "" });
  assert.deepEqual([state.current.entries[0].msg, state.current.entries[0].deleted], ["", true]);
});

test("an edited message has the new text in its place", () => {
  const state = begun();
  state.receive(said(101, "bob", "helo"));
  state.receive({ action: "server-event", id: 102, ts: TS, event: "edited", actor: "bob", edited: 101, kind: "action", msg: "/me waves" });
  assert.deepEqual(state.current.entries.map(({ id, from, msg, kind, edited }) => [id, from, msg, kind, edited]), [
    [101, "bob", "waves", "action", 102],
  ]);
  state.receive({ action: "server-event", id: 103, ts: TS, event: "edited", actor: "bob", edited: 101 });
  state.receive({ action: "server-event", id: 104, ts: TS, event: "edited", actor: "bob", edited: 99, msg: "gone" });
  assert.equal(state.current.entries[0].msg, "waves");
  assert.deepEqual(state.receive({ action: "server-event", id: 104, ts: TS, event: "reacted", actor: "bob", message: 101, reaction: "+1" }), []);
  assert.deepEqual(state.current.entries.map(({ id, msg }) => [id, msg]), [[101, "waves"]]);
  state.conversation("group", "wob");
  state.events("wob", [
    { id: 105, ts: TS, event: "edited", actor: "bob", edited: 104 },
    { id: 106, ts: TS, event: "unreacted", actor: "bob", message: 104, reaction: "+1" },
  ]);
  assert.deepEqual(state.conversation("group", "wob").entries, []);
});

test("presence is no entry", () => {
  const state = begun();
  state.receive({ action: "server-event", event: "arrived", actor: "bob", ts: TS, colour: "#aabbcc" });
  assert.equal(state.online.has("bob"), true);
  assert.equal(state.colours.get("bob"), "#aabbcc");
  state.receive({ action: "server-event", event: "left", actor: "bob", ts: TS });
  assert.equal(state.online.has("bob"), false);
  assert.deepEqual(state.current.entries, []);
});

test("an announcement is told", () => {
  assert.deepEqual(begun().receive({ action: "server-event", event: "announced", actor: "teacher", ts: TS, msg: "noon" }), [
    { what: "announced", actor: "teacher", text: "noon" },
  ]);
});

test("what was written while the user was no member is read after joining again", () => {
  const state = begun();
  state.conversation("group", "wob");
  state.page({ group: "wob", messages: [{ id: 101, ts: TS, from: "bob", msg: "before" }] }, null);
  state.event({ event: "joined", group: "wob", actor: "alice", id: 102, ts: TS });
  const wob = state.conversation("group", "wob");
  assert.deepEqual(ids(wob), [101, 102]);
  state.event({ event: "kicked", group: "wob", actor: "bob", subject: "alice", id: 103, ts: TS });
  assert.deepEqual(ids(wob), [101, 102, 103]);
  state.event({ event: "joined", group: "wob", actor: "alice", id: 109, ts: TS });
  assert.deepEqual([ids(wob), wob.gone, wob.loaded, wob.complete, wob.events], [[109], false, false, false, false]);
});
