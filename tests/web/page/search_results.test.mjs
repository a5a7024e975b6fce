import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { getElementById: () => null, createElement: () => ({ append() {}, setAttribute() {} }) };
const { searchFields } = await import("./search_results.js");

test("operators become fields, and are words in quotation marks", () => {
  assert.deepEqual(searchFields("exam"), { words: "exam" });
  assert.deepEqual(searchFields(' from:bob  the "in:wob from" exam* IN:wob'), { words: 'the "in:wob from" exam*', author: "bob", group: "wob" });
  assert.deepEqual(searchFields("with:bob"), { words: "", dest: "bob" });
  assert.deepEqual(searchFields('in: "open'), { words: 'in: "open' });
});
