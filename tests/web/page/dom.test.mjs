import assert from "node:assert/strict";
import { test } from "node:test";
import { slowly } from "./dom.js";

test("an action is done soon, and again after a pause, however often it is asked for", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
  let done = 0;
  const ask = slowly(() => done++, 3000);
  const during = (milliseconds) => {
    for (let n = 0; n < milliseconds / 50; n++) {
      ask();
      context.mock.timers.tick(50);
    }
    return done;
  };
  assert.equal(during(200), 0);
  assert.equal(during(50), 1);
  assert.equal(during(2950), 1);
  assert.equal(during(100), 2);
  context.mock.timers.tick(3000); // the clock of the mock is at the end of a tick when its timers run
  context.mock.timers.tick(3000);
  assert.equal(done, 3);
  ask();
  context.mock.timers.tick(250);
  assert.equal(done, 4);
});

test("without a pause an action is done four times a second", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  let done = 0;
  const ask = slowly(() => done++);
  for (let n = 0; n < 40; n++) {
    ask();
    context.mock.timers.tick(25);
  }
  assert.equal(done, 4);
});
