import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadState } from "./read_state.js";

const summary = (more) => ({ last: 0, unread: 0, read: 0, ...more });

test("a mark on the daemon is the truth", () => {
  const read = new ReadState();
  read.applySummary(summary({ last: 30, unread: 4, read: 20 }), 10, 30);
  assert.deepEqual([read.unread, read.readId, read.markToSend], [4, 20, null]);
  read.seeAll();
  assert.deepEqual([read.unread, read.markToSend], [0, 30]);
  read.serverMark = 30;
  read.recordArrival(31, false, false, false);
  assert.deepEqual([read.unread, read.readId, read.markToSend], [1, 30, null]);
});

test("without a mark, unread messages need one in front of them", () => {
  const read = new ReadState();
  read.applySummary(summary({ last: 30, unread: 2 }), 25, 30);
  assert.deepEqual([read.unread, read.markToSend], [2, 25]);
  const silent = new ReadState();
  silent.applySummary(summary({ last: 30 }), 25, 30);
  silent.recordArrival(31, true, false, false);
  silent.seeAll();
  assert.equal(silent.markToSend, null);
});

test("what is marked as not read is unread from the beginning", () => {
  const read = new ReadState();
  read.applySummary(summary({ last: 30, unread: 9, marked: true }), 30, 30);
  assert.deepEqual([read.unread, read.readId], [9, 0]);
});

test("a mark that another session moves leaves what is behind it", () => {
  const read = new ReadState();
  for (const id of [5, 6, 7]) read.recordArrival(id, false, id > 5, false);
  assert.equal(read.moveMark(6), true);
  assert.deepEqual([read.unread, read.mentions], [1, [7]]);
  assert.equal(read.moveMark(3), true);
  assert.equal(read.readId, 6);
  const counted = new ReadState();
  counted.applySummary(summary({ last: 30, unread: 8, read: 10 }), 0, 30);
  assert.equal(counted.moveMark(15), false);
  assert.equal(counted.moveMark(30), true);
});

test("the daemon's count is a lower bound at its limit, and ids are bounded", () => {
  const read = new ReadState();
  read.applySummary(summary({ last: 5000, unread: 1000, read: 10 }), 0, 5000);
  assert.equal(read.isLowerBound, true);
  for (let id = 5001; id <= 10_000; id++) read.recordArrival(id, false, true, false);
  assert.deepEqual([read.unread, read.mentions.length], [6000, 2000]);
  assert.equal(read.seeAll(), true);
  assert.deepEqual([read.unread, read.readId], [0, 10_000]);
});

test("the line for new messages stays until the conversation is left", () => {
  const read = new ReadState();
  read.recordArrival(5, false, false, false);
  read.seeAll();
  assert.equal(read.newAfter, 4);
  read.leave();
  assert.equal(read.newAfter, null);
  read.enter();
  assert.equal(read.newAfter, null);
  read.recordArrival(6, false, false, false);
  read.enter();
  assert.equal(read.newAfter, 5);
});

test("jumps lead to the first new message, then to each mention, and again", () => {
  const read = new ReadState();
  assert.equal(read.nextJump(), null);
  for (const id of [5, 6, 7, 8]) read.recordArrival(id, false, id > 6, false);
  read.enter();
  read.seeAll();
  assert.deepEqual(Array.from({ length: 4 }, () => read.nextJump().id), [5, 7, 8, 5]);
  read.leave();
  assert.equal(read.nextJump(), null);
});
