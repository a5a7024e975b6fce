import assert from "node:assert/strict";
import { test } from "node:test";
import { Wire } from "./wire.js";

/** A daemon and a clock of the test's own. */
function surroundings() {
  const here = {
    sockets: [],
    timers: [],
    told: [],
    open() {
      const socket = { readyState: 0, sent: [], closed: false };
      socket.send = (text) => socket.sent.push(JSON.parse(text));
      socket.close = () => (socket.closed = true);
      here.sockets.push(socket);
      return socket;
    },
    setTimer(done, milliseconds) {
      const timer = { done, milliseconds };
      here.timers.push(timer);
      return timer;
    },
    clearTimer(timer) {
      here.timers = here.timers.filter((one) => one !== timer);
    },
    random: () => 0.5,
    get socket() {
      return here.sockets.at(-1);
    },
    accept() {
      here.socket.readyState = 1;
      here.socket.onopen();
    },
    say(object) {
      here.socket.onmessage({ data: JSON.stringify(object) });
    },
    drop(code = 1006, reason = "") {
      here.socket.readyState = 3;
      here.socket.onclose({ code, reason });
    },
    /** Let the timer with the least delay run out; return its milliseconds. */
    tick() {
      const next = here.timers.reduce((one, other) => (other.milliseconds < one.milliseconds ? other : one));
      here.clearTimer(next);
      next.done();
      return next.milliseconds;
    },
  };
  here.wire = new Wire(
    {
      stateChanged: (state, seconds) => here.told.push([state, seconds]),
      welcomed: (welcome, resumed) => here.told.push(["welcomed", resumed]),
      caughtUp: () => here.told.push(["caught up"]),
      received: (object) => here.told.push(["received", object.id ?? object.code]),
      ended: (refusal, wasIn) => here.told.push(["ended", refusal.code, wasIn]),
    },
    here,
  );
  return here;
}

const welcome = (ref, cursor) => ({ action: "server-hello", ref, cursor, seen: 0, returning: true, user: { id: 1, nick: "alice", colour: "" } });

function loggedIn(cursor = 10) {
  const here = surroundings();
  here.wire.login({ nick: "alice", password: "" });
  here.accept();
  here.say(welcome("hello", cursor));
  here.say(welcome("ready", cursor));
  here.told = [];
  return here;
}

test("a login sends the hello, and is complete after what was missed", () => {
  const here = surroundings();
  here.wire.login({ nick: "alice", password: "secret" });
  here.accept();
  assert.deepEqual(here.socket.sent, [{ action: "client-hello", ref: "hello", from: "alice", password: "secret" }]);
  here.say(welcome("hello", 10));
  here.say({ action: "server-event", event: "invited", id: 7 });
  assert.equal(here.wire.ready, false);
  here.say(welcome("ready", 10));
  assert.equal(here.wire.ready, true);
  assert.deepEqual(here.told, [["connecting", 0], ["welcomed", false], ["received", 7], ["online", 0], ["caught up"]]);
});

test("a guest gives no nick", () => {
  const here = surroundings();
  here.wire.login({ nick: "", password: "" });
  here.accept();
  assert.deepEqual(here.socket.sent, [{ action: "client-hello", ref: "hello" }]);
});

test("a lost connection resumes behind the last entry, and no entry comes twice", () => {
  const here = loggedIn();
  here.say({ action: "server-broadcast", id: 11 });
  here.drop();
  assert.deepEqual(here.told.at(-1), ["waiting", 0]);
  here.tick();
  here.accept();
  assert.equal(here.socket.sent[0].since, 11);
  here.say(welcome("hello", 12));
  here.say({ action: "server-broadcast", id: 11 });
  here.say({ action: "server-broadcast", id: 12 });
  here.say({ action: "server-broadcast", id: 12 });
  assert.deepEqual(here.told.filter(([what]) => what === "received"), [["received", 11], ["received", 12]]);
});

test("a connection that breaks during the replay goes on where it broke", () => {
  const here = loggedIn();
  here.drop();
  here.tick();
  here.accept();
  here.say(welcome("hello", 20));
  here.say({ action: "server-broadcast", id: 15 });
  here.drop();
  here.tick();
  here.accept();
  assert.equal(here.socket.sent[0].since, 15);
});

test("a connection that breaks before the first pages are complete begins anew", () => {
  const here = surroundings();
  here.wire.login({ nick: "alice", password: "" });
  here.accept();
  here.say(welcome("hello", 10));
  here.say({ action: "server-broadcast", id: 11 });
  here.drop();
  here.tick();
  here.accept();
  assert.equal("since" in here.socket.sent[0], false);
});

test("a cursor beyond the daemon's log starts from the pages again", () => {
  const here = loggedIn(50);
  here.drop();
  here.tick();
  here.accept();
  here.say(welcome("hello", 3));
  assert.deepEqual(here.told.at(-1), ["welcomed", false]);
  here.say({ action: "server-broadcast", id: 4 });
  assert.deepEqual(here.told.at(-1), ["received", 4]);
});

test("attempts come at once, then after 1, 2, 4 … 30 seconds", () => {
  const here = loggedIn();
  here.drop();
  const waits = [];
  for (let n = 0; n < 8; n++) {
    waits.push(here.tick() / 1000);
    here.drop();
  }
  assert.deepEqual(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
});

test("after a login the first attempt is at once again", () => {
  const here = loggedIn();
  here.drop();
  here.tick();
  here.drop();
  here.tick();
  here.accept();
  here.say(welcome("hello", 10));
  here.say(welcome("ready", 10));
  here.drop();
  assert.deepEqual(here.told.at(-1), ["waiting", 0]);
});

test("an event of the network does not wait for the next attempt", () => {
  const here = loggedIn();
  here.drop();
  here.tick();
  here.drop();
  const before = here.sockets.length;
  here.wire.poke();
  assert.equal(here.sockets.length, before + 1);
  assert.equal(here.timers.length, 0);
});

test("a connection that does not answer a probe is given up", () => {
  const here = loggedIn();
  const silent = here.socket;
  here.wire.poke();
  assert.deepEqual(silent.sent.at(-1), { action: "client-hello", ref: "probe" });
  here.tick();
  assert.equal(silent.closed, true);
  assert.equal(here.wire.ready, false);
  here.tick();
  assert.notEqual(here.socket, silent);
});

test("answers find their requests, and a lost connection answers the rest", async () => {
  const here = loggedIn();
  const first = here.wire.request({ action: "groups" });
  const second = here.wire.request({ action: "history" });
  const [one, two] = here.socket.sent.slice(-2);
  here.say({ action: "server-history", ref: two.ref, messages: [] });
  here.say({ action: "server-groups", ref: one.ref, groups: [] });
  assert.equal((await first).action, "server-groups");
  assert.equal((await second).action, "server-history");
  const third = here.wire.request({ action: "groups" });
  here.drop();
  assert.equal((await third).code, "connection_lost");
  assert.equal((await here.wire.request({ action: "groups" })).code, "connection_lost");
});

test("an ack moves the cursor", () => {
  const here = loggedIn();
  here.say({ action: "server-ack", ref: "m1", id: 14 });
  assert.equal(here.wire.cursor, 14);
});

test("a nick in use is asked for again on a reload, and refused otherwise", () => {
  const taken = { action: "server-error", ref: "hello", code: "nick_taken", msg: "" };
  const here = surroundings();
  here.wire.login({ nick: "alice", password: "" }, true);
  for (let n = 0; n < 8; n++) {
    here.accept();
    here.say(taken);
    here.tick();
  }
  here.accept();
  here.say(taken);
  assert.deepEqual(here.told.at(-1), ["ended", "nick_taken", false]);
  const other = surroundings();
  other.wire.login({ nick: "alice", password: "" });
  other.accept();
  other.say(taken);
  assert.deepEqual(other.told.at(-1), ["ended", "nick_taken", false]);
  assert.equal(other.timers.length, 0);
});

test("a session that was ended for good is not resumed", () => {
  for (const [code, reason] of [[1008, "session_replaced"], [1008, "blocked"], [1008, "a_code_of_tomorrow"]]) {
    const here = loggedIn();
    here.drop(code, reason);
    assert.deepEqual(here.told.at(-1), ["ended", reason, true]);
    assert.equal(here.timers.length, 0);
  }
  const here = loggedIn();
  here.say({ action: "server-error", code: "password_changed", msg: "" });
  here.drop(1000);
  assert.deepEqual(here.told.at(-1), ["ended", "password_changed", true]);
});

test("a daemon that shuts down or cuts a slow client is come back to", () => {
  for (const code of ["shutting_down", "slow_consumer"]) {
    const here = loggedIn();
    here.say({ action: "server-error", code, msg: "" });
    here.drop(1008, code);
    assert.equal(here.told.at(-1)[0], "waiting");
  }
});

test("a page that has closed the connection stays away", () => {
  const here = loggedIn();
  here.wire.close();
  here.wire.poke();
  assert.equal(here.sockets.length, 1);
  assert.equal(here.timers.length, 0);
});

test("what is no JSON is ignored", () => {
  const here = loggedIn();
  here.socket.onmessage({ data: "{" });
  assert.deepEqual(here.told, []);
});
