import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadSentences, refusalText, setLanguage, t } from "./language.js";

Object.defineProperty(globalThis, "navigator", { value: { language: "en-GB" }, configurable: true });
globalThis.fetch = async () => ({ ok: true, json: async () => JSON.parse(readFileSync(new URL("french.json", import.meta.url), "utf8")) });

const banned = { code: "banned", msg: "bob is banned from wob: ask an operator to lift the ban" };
const reserved = { code: "bad_nick", msg: 'root is not a valid nick: "root" is reserved: choose another name' };

test("English stays as it comes", async () => {
  await setLanguage("en-GB");
  assert.equal(refusalText(banned), banned.msg);
  assert.equal(t("{n} unread", { n: 3 }), "3 unread");
});

test("the daemon's sentences are shown in French, with the reasons in them", async () => {
  await setLanguage("fr-CA");
  assert.equal(refusalText(banned), banned.msg);
  await loadSentences();
  assert.equal(t("{n} unread", { n: 3 }), "3 non lus");
  assert.match(refusalText(banned), /^bob .*banni.* wob/u);
  assert.match(refusalText(reserved), /root.*pseudo.*root.*réservé/u);
  assert.equal(refusalText({ code: "new_code", msg: "a sentence of tomorrow" }), "a sentence of tomorrow");
});

test("a name that looks like a gap is not filled in again", async () => {
  await setLanguage("fr");
  assert.match(refusalText({ code: "no_such_user", msg: "unknown user: {nick}" }), /\{nick\}$/u);
});

test("names of an object's own methods are texts, codes and gaps like others", async () => {
  for (const language of ["en", "fr"]) {
    await setLanguage(language);
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      assert.equal(t(name), name);
      assert.equal(t(`{${name}}`, {}), `{${name}}`);
      assert.equal(refusalText({ code: name, msg: "a sentence" }), "a sentence");
    }
  }
});

test("every refusal is recognised", async () => {
  await setLanguage("fr");
  const { refusals } = JSON.parse(readFileSync(new URL("french.json", import.meta.url), "utf8"));
  for (const [code, said] of Object.entries(refusals)) {
    const [english, french] = typeof said === "string" ? ["a sentence", said] : said;
    assert.equal(refusalText({ code, msg: english }), french, code);
  }
});
