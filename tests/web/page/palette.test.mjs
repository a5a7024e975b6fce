import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { getElementById: () => ({ addEventListener() {} }) };
const { matching, rank } = await import("./palette.js");

test("letters count in their order, and those at the beginning or together count more", () => {
  assert.ok(rank("#wob", "wb") > rank("#wob", "wo"));
  assert.ok(rank("wob", "wo") < rank("#wob", "wo"));
  assert.equal(rank("wob", "ow"), null);
  assert.equal(rank("wob", ""), 0);
});

test("the best choices come first, else the order stays, and a long list is cut", () => {
  const choices = ["Lobby", "#wob", "bob", "/ban"].map((text) => ({ text }));
  assert.deepEqual(matching(choices, "ob").map((one) => one.text), ["Lobby", "#wob", "bob"]);
  assert.deepEqual(matching(choices, "BO").map((one) => one.text), ["bob"]);
  assert.deepEqual(matching(choices, "zzz"), []);
  assert.equal(matching(Array.from({ length: 5000 }, (_, n) => ({ text: `user${n}` })), "u").length, 12);
});
