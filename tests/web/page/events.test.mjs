import assert from "node:assert/strict";
import { test } from "node:test";
import { eventText } from "./events.js";

globalThis.document = { createElement: () => ({ append(...texts) { this.text = texts.join(""); } }) };
const sentence = (entry) => eventText(entry, "wob").map((part) => part.text ?? part).join("");

test("an event is a sentence, also one of tomorrow", () => {
  assert.equal(sentence({ event: "kicked", actor: "bob", subject: "carol", details: { reason: "too loud" } }), "bob removed carol (too loud)");
  assert.equal(sentence({ event: "topic", actor: "bob", details: { topic: "" } }), "bob removed the topic");
  for (const event of ["renamed", "constructor", "toString"]) assert.equal(sentence({ event, actor: "bob" }), `bob: ${event}`);
});
