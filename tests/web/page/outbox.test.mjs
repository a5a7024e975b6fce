import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "./outbox.js";

function storage() {
  const kept = new Map();
  return {
    get length() {
      return kept.size;
    },
    key: (n) => [...kept.keys()].reverse()[n], // browsers give keys in any order
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

let refs = 0;
const outbox = (kept, nick = "alice") => {
  const made = new Outbox(kept, () => `ref-${++refs}`, () => 1000);
  made.load(nick);
  return made;
};
const lobby = { key: "lobby", kind: "lobby", name: "" };
const wob = { key: "group:wob", kind: "group", name: "wob" };
const bob = { key: "direct:bob", kind: "direct", name: "bob" };

test("an item becomes the request of its conversation", () => {
  const made = outbox(storage());
  const first = made.add(lobby, "hello", false);
  assert.deepEqual(made.request(first), { action: "client-broadcast", msg: "hello", ref: first.ref });
  const second = made.add(wob, "hi", false);
  assert.deepEqual(made.request(second), { action: "gbroadcast", group: "wob", msg: "hi", ref: second.ref });
  const third = made.add(bob, "@@", true);
  assert.deepEqual(made.request(third), { action: "client-send", dest: "bob", msg: "@@", kind: "image", ref: third.ref });
});

test("what has no ack is sent again under its ref, in order, also after a reload", () => {
  const kept = storage();
  const made = outbox(kept);
  const items = ["one", "two", "three"].map((text) => made.add(lobby, text, false));
  for (const item of items) made.request(item);
  assert.deepEqual(made.waiting(), []);
  made.answered({ action: "server-ack", ref: items[1].ref, id: 7 });
  made.lost();
  assert.deepEqual(made.waiting().map((item) => item.msg), ["one", "three"]);
  const again = outbox(kept);
  assert.deepEqual(again.waiting().map((item) => [item.ref, item.msg]), [[items[0].ref, "one"], [items[2].ref, "three"]]);
  assert.deepEqual(outbox(kept, "bob").waiting(), []);
});

test("an ack is taken once", () => {
  const made = outbox(storage());
  const item = made.add(lobby, "hello", false);
  assert.equal(made.answered({ action: "server-ack", ref: item.ref, id: 7 }), item);
  assert.equal(made.answered({ action: "server-ack", ref: item.ref, id: 7 }), null);
  assert.equal(made.size, 0);
});

test("a refused message stays until it is sent again or deleted", () => {
  const kept = storage();
  const made = outbox(kept);
  const item = made.add(wob, "hello", false);
  made.request(item);
  made.answered({ action: "server-error", ref: item.ref, code: "not_member", msg: "you are not a member" });
  made.lost();
  assert.deepEqual(made.waiting(), []);
  assert.equal(outbox(kept).of("group:wob")[0].state, "failed");
  made.retry(item.ref);
  assert.deepEqual(made.waiting(), [item]);
  made.remove(item.ref);
  assert.equal(kept.length, 0);
});

test("a full storage keeps messages in memory", () => {
  const kept = storage();
  kept.setItem = () => {
    throw new Error("full");
  };
  assert.equal(outbox(kept).add(lobby, "hello", false).state, "waiting");
});

test("a message that was sent and turns out to be stored is not sent again", () => {
  const made = outbox(storage());
  const items = ["same", "same", "same"].map((text) => made.add(lobby, text, false));
  made.request(items[0]);
  made.request(items[1]);
  made.lost();
  made.stored("lobby", "other");
  made.stored("lobby", "same");
  assert.deepEqual(made.waiting(), items.slice(1));
  made.stored("lobby", "same");
  made.stored("lobby", "same");
  assert.deepEqual(made.waiting(), [items[2]]);
});

test("an answer keeps what it answers, also after a reload", () => {
  const kept = storage();
  const item = outbox(kept).add(wob, "I do", false, { id: 7, ts: "", from: "bob" });
  const [again] = outbox(kept).waiting();
  assert.deepEqual([again.ref, again.reply_to, again.reply_from], [item.ref, 7, "bob"]);
  assert.equal(outbox(kept).request(again).reply_to, 7);
});

test("what a daemon that ends has refused waits for the next connection", () => {
  const made = outbox(storage());
  const item = made.add(wob, "hello", false);
  made.request(item);
  assert.equal(made.answered({ action: "server-error", ref: item.ref, code: "shutting_down", msg: "later" }), item);
  assert.deepEqual(made.waiting(), [item]);
});
