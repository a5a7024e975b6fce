import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CommandTable, usage } from "./commands.js";
import { complete, hintFor } from "./completion.js";

const sent = JSON.parse(readFileSync(new URL("commands-en.json", import.meta.url), "utf8"));
const table = new CommandTable(sent);
const lobby = { kind: "lobby", name: "" };
const wob = { kind: "group", name: "wob" };
const bob = { kind: "direct", name: "bob" };
const request = (text, here = lobby) => table.parse(text, here).request;

test("every command of the daemon can be typed in each of its forms", () => {
  assert.ok(table.words.size > 40 && table.slashes.size > 40);
  for (const row of [...table.words.values(), ...table.slashes.values()].filter((one) => one.action)) {
    const values = row.fields.map((field) => field.choices?.[0] ?? (["id", "count"].includes(field.kind) ? "7" : "x"));
    const expected = { action: row.action };
    row.fields.forEach((field, n) => (expected[field.key] = ["id", "count"].includes(field.kind) ? 7 : values[n]));
    if (row.word) assert.deepEqual(request(`${row.word};${values.join(";")}`), expected, row.word);
    if (row.slash) assert.deepEqual(request(`/${row.slash} ${values.join(" ")}`), expected, row.slash);
  }
});

test("the last field takes the rest of the line", () => {
  assert.deepEqual(request("/kick wob bob too loud, really"), { action: "kick", group: "wob", dest: "bob", reason: "too loud, really" });
  assert.deepEqual(request("kick; wob ;bob;a;b"), { action: "kick", group: "wob", dest: "bob", reason: "a;b" });
  assert.deepEqual(request("/msg bob  two  blanks"), { action: "client-send", dest: "bob", msg: "two  blanks" });
  assert.deepEqual(request("/register correct horse battery"), { action: "register", password: "correct horse battery" });
});

test("other lines are messages", () => {
  assert.deepEqual(table.parse("hello; world", lobby), { what: "message", text: "hello; world" });
  assert.deepEqual(table.parse("//hello", lobby), { what: "message", text: "/hello" });
  assert.deepEqual(table.parse("/ hello", lobby), { what: "message", text: "/ hello" });
});

test("/me is a message", () => {
  assert.deepEqual(table.parse("/me waves", lobby), { what: "message", text: "/me waves" });
  assert.deepEqual(table.parse("/ME  waves twice", wob), { what: "message", text: "/me waves twice" });
  assert.deepEqual(table.parse("/me ", lobby), { what: "wrong", text: "usage: /me msg" });
  assert.equal(table.actions.has(""), false);
  assert.deepEqual(complete("/m", table, [], []).offers.filter((one) => one === "/me "), ["/me "]);
  assert.deepEqual(complete("/me hugs b", table, ["bob"], []), { start: 9, offers: ["bob"] });
  assert.equal(hintFor("/me ", table), "/me msg — say what you do: * alice waves");
});

test("a password does not become a message", () => {
  for (const text of [" /register secret1", "  /login alice secret1", "PWD secret1"]) assert.equal(table.parse(text, lobby).what, "wrong", text);
});

test("what may hold a password is no draft", () => {
  for (const text of ["/register secret1", " /register secret1", "\n/x", " register;secret1", "Identify ; a;secret1", "PWD secret1", " pwd secret1"]) {
    assert.equal(table.isCommand(text), true, text);
  }
  for (const text of ["hello", "hello; world", "PWDs", "a /register"]) assert.equal(table.isCommand(text), false, text);
  assert.equal(new CommandTable({ fields: {}, commands: [] }).isCommand("register;secret1"), true);
});

test("the group may be left out where the daemon's table says so", () => {
  assert.deepEqual(request("/leave", wob), { action: "leave", group: "wob" });
  assert.deepEqual(request("/who", wob), { action: "members", group: "wob" });
  assert.deepEqual(request("/history", wob), { action: "history", group: "wob" });
  assert.deepEqual(request("/history", bob), { action: "history", dest: "bob" });
  assert.deepEqual(request("/history"), { action: "history" });
  assert.equal(table.parse("/leave", lobby).what, "wrong");
});

test("the group on the screen is implied for its members and its topic", () => {
  const here = { ...wob, isGroup: (name) => ["wob", "den"].includes(name) };
  assert.deepEqual(request("/kick bob", here), { action: "kick", group: "wob", dest: "bob" });
  assert.deepEqual(request("/kick bob too loud", here), { action: "kick", group: "wob", dest: "bob", reason: "too loud" });
  assert.deepEqual(request("/invite wob", here), { action: "invite", group: "wob", dest: "wob" });
  assert.deepEqual(request("/topic the  weather", here), { action: "topic", group: "wob", topic: "the  weather" });
  assert.deepEqual(request("/topic den", here), { action: "topic", group: "den" });
  assert.equal(table.parse("/topic", here).what, "wrong"); // it would remove the topic
  assert.deepEqual(request("/topic den the weather", here), { action: "topic", group: "den", topic: "the weather" });
  assert.deepEqual(request("/kick den bob", here), { action: "kick", group: "den", dest: "bob" });
  assert.deepEqual(request("/say den hello", here), { action: "gbroadcast", group: "den", msg: "hello" });
  for (const group of ["fun", "den"]) assert.equal(request(`/join ${group}`, here).group, group);
  assert.deepEqual(table.parse("/kick", here), { what: "wrong", text: "usage: /kick [group] nick [reason]" });
  assert.equal(table.parse("/kick bob", lobby).what, "wrong");
});

test("what is missing or unknown is said", () => {
  assert.deepEqual(table.parse("/kick wob", lobby), { what: "wrong", text: "usage: /kick group nick [reason]" });
  assert.equal(table.parse("/fly", lobby).what, "wrong");
});

test("/invite --link asks for a link", () => {
  assert.deepEqual(request("/invite wob --link 7d"), { action: "invitelink", group: "wob", lifetime: "7d" });
  assert.deepEqual(request("/invite --link", wob), { action: "invitelink", group: "wob" });
  assert.equal(table.parse("/invite --link", lobby).what, "wrong");
});

test("Tab completes commands, groups, nicks and choices", () => {
  const nicks = ["bob", "Bea", "carol"];
  const groups = ["wob", "den"];
  assert.deepEqual(complete("/ki", table, nicks, groups), { start: 0, offers: ["/kick "] });
  assert.deepEqual(complete("/kick w", table, nicks, groups), { start: 6, offers: ["wob "] });
  assert.deepEqual(complete("/kick wob b", table, nicks, groups), { start: 10, offers: ["Bea ", "bob "] });
  assert.deepEqual(complete("kick;wob;c", table, nicks, groups), { start: 9, offers: ["carol;"] });
  assert.deepEqual(complete("/visibility wob pr", table, nicks, groups), { start: 16, offers: ["private"] });
  assert.deepEqual(complete("hello ca", table, nicks, groups), { start: 6, offers: ["carol"] });
  assert.deepEqual(complete("hello @ca", table, nicks, groups), { start: 7, offers: ["carol"] });
  assert.deepEqual(complete("hello ", table, nicks, groups).offers, []);
  assert.deepEqual(complete("", table, nicks, groups).offers, []);
});

test("a command that is begun shows how it goes on", () => {
  assert.equal(hintFor("/kick ", table), "/kick group nick [reason] — remove a user from a group; the user may come back");
  assert.equal(hintFor("hello", table), "");
  assert.equal(usage(table.slashes.get("leave"), " "), "/leave [group]");
});
