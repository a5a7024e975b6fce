import assert from "node:assert/strict";
import { test } from "node:test";
import { characters } from "./image.js";
import { mentions, parseText, safeAddress } from "./text.js";

const parts = (text, nick = "") => parseText(text, nick).map(({ type, text, href }) => (href === undefined ? [type, text] : [type, text, href]));

test("links end before the punctuation of the sentence", () => {
  assert.deepEqual(parts("see https://example.org/a_(b), or (http://example.org/)."), [
    ["text", "see "],
    ["link", "https://example.org/a_(b)", "https://example.org/a_(b)"],
    ["text", ", or ("],
    ["link", "http://example.org/", "http://example.org/"],
    ["text", ")."],
  ]);
});

test("only http, https and mailto are links", () => {
  assert.equal(parts("mailto:a@example.org")[0][0], "link");
  for (const text of ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "https://", "http://[::1"]) {
    assert.deepEqual(parts(text), [["text", text]]);
  }
  for (const text of ["javascript:alert(1)", "file://host/x", "ftp://host/x"]) assert.equal(safeAddress(text), null);
});

test("a link ends before what changes the direction of its text", () => {
  for (const sign of "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") {
    const found = parts(`https://example.org/${sign}moc.knab//:sptth`);
    assert.deepEqual(found, [["link", "https://example.org/", "https://example.org/"], ["text", `${sign}moc.knab//:sptth`]]);
  }
  assert.equal(parts("https://example.org/عربي")[0][1], "https://example.org/عربي");
});

test("code is not searched for links and mentions", () => {
  assert.deepEqual(parts("a `https://x.org alice` b", "alice"), [["text", "a "], ["code", "https://x.org alice"], ["text", " b"]]);
  assert.deepEqual(parts("```js\nlet a = 1;\n\n  b\n```\nafter"), [["block", "let a = 1;\n\n  b"], ["text", "after"]]);
  assert.deepEqual(parts("```\na\n```\n\nb `c`\nd"), [["block", "a"], ["text", "\nb "], ["code", "c"], ["text", "\nd"]]);
});

test("markup stays text", () => {
  assert.deepEqual(parts('<img src=x onerror="alert(1)">'), [["text", '<img src=x onerror="alert(1)">']]);
});

test("a nick may have any sign in it", () => {
  for (const sign of "-/|.^$()[]{}\\+~'\"=<>_&#%`") assert.equal(mentions(`hey a${sign}b!`, `a${sign}b`), true, sign);
});

test("a mention is the nick as a word", () => {
  assert.equal(mentions("hey Alice!", "alice"), true);
  assert.equal(mentions("@alice: look", "alice"), true);
  assert.equal(mentions("malice", "alice"), false);
  assert.equal(mentions("alice2", "alice"), false);
  assert.equal(mentions("aliçealice", "alice"), false);
  assert.equal(mentions("a.b", "a.b"), true);
  assert.equal(mentions("axb", "a.b"), false);
  assert.equal(mentions("anything", ""), false);
  assert.deepEqual(parts("hi @bob, bob", "bob"), [["text", "hi "], ["mention", "@bob"], ["text", ", "], ["mention", "bob"]]);
});

test("nothing of a text is lost", () => {
  for (const text of ["`", "``` ```", "```\nopen", "`a\n`b`", "https://x.org.", "a".repeat(9000), "```".repeat(3000), "`x".repeat(4000)]) {
    const kept = parseText(text, "x").map((part) => part.text).join("").replaceAll("`", "");
    assert.equal(kept.replace(/\s/gu, ""), text.replaceAll("`", "").replace(/\s/gu, ""));
  }
});

test("bright cells get dense characters, and no image is blank", () => {
  assert.equal(characters([0, 255, 0, 255], 2), " @\n @");
  assert.equal(characters([0, 0, 0, 0], 2), ".");
});
