import assert from "node:assert/strict";
import { test } from "node:test";
import { MARK_MS, OwnTyping, TypingMarks } from "./typing.js";

const lobby = { key: "lobby", kind: "lobby", name: "" };
const bob = { key: "direct:bob", kind: "direct", name: "bob" };

test("a mark ends by itself, by a message and when it is taken back", () => {
  const marks = new TypingMarks();
  marks.set("lobby", "bob", true, 1000);
  marks.set("lobby", "carol", true, 2000);
  marks.set("group:wob", "dave", true, 2000);
  assert.deepEqual(marks.nicks("lobby", 2000), ["bob", "carol"]);
  assert.deepEqual(marks.nicks("lobby", 1000 + MARK_MS), ["carol"]);
  marks.set("lobby", "carol", false, 3000);
  assert.deepEqual(marks.nicks("lobby", 3000), ["bob"]);
  marks.set("lobby", "bob", true, 6900);
  assert.deepEqual(marks.nicks("lobby", 2000 + MARK_MS), ["bob"]);
  marks.clear();
  assert.deepEqual(marks.nicks("group:wob", 2000), []);
});

test("the own mark is sent at most every three seconds, and taken back", () => {
  const sent = [];
  const own = new OwnTyping((conversation, state) => sent.push([conversation.key, state]));
  own.typed(lobby, false, 0);
  for (let now = 1000; now < 7000; now += 100) own.typed(lobby, true, now);
  assert.deepEqual(sent.splice(0), [["lobby", "active"], ["lobby", "active"]]);
  own.typed(lobby, false, 7000);
  own.typed(lobby, false, 7100);
  assert.deepEqual(sent.splice(0), [["lobby", "done"]]);
  own.typed(lobby, true, 7200);
  own.typed(bob, true, 7300);
  assert.deepEqual(sent.splice(0), [["lobby", "active"], ["lobby", "done"], ["direct:bob", "active"]]);
  own.stop(false);
  own.typed(bob, true, 7400);
  assert.deepEqual(sent, [["direct:bob", "active"]]);
});
