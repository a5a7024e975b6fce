/**
 * The connection to the daemon: one WebSocket at a time, answers by `ref`, reconnection and resumption.
 *
 * It knows no DOM. Tests give it a socket and timers of their own.
 */

const MAX_SECONDS = 30;
const PROBE_SECONDS = 10;
const SILENCE_SECONDS = 60;
const TAKEN_ATTEMPTS = 8;

/** Refusals after which the page does not come back by itself. */
const FINAL_CODES = new Set([
	"session_replaced", "password_changed", "account_closed", "disconnected", "blocked", "token_revoked",
	"token_expired", "wrong_password", "password_required", "bad_nick", "too_many_refusals", "tls_required",
]);

const DELIVERIES = new Set(["server-broadcast", "server-send", "server-gbroadcast", "server-event"]);

export class Wire {
	/** @type {WebSocket | null} */ #socket = null;
	/** @type {Credentials | null} */ #credentials = null;
	/** @type {Map<string, (answer: Wired) => void>} */ #requests = new Map();
	/** @type {any} */ #timer = null;
	/** @type {any} */ #probe = null;
	/** @type {any} */ #silence = null;
	/** @type {Wired | null} */ #reason = null;
	#attempts = 0;
	#taken = 0;
	#number = 0;
	#identified = false;
	#ready = false;
	#resuming = false;
	#heard = false;
	#patient = false;

	/** The id of the last entry that was received; null before the first complete login. @type {number | null} */
	cursor = null;

	/** @param {WireListener} listener @param {Surroundings} surroundings */
	constructor(listener, surroundings) {
		this.listener = listener;
		this.surroundings = surroundings;
	}

	/** Whether requests are answered now. */
	get ready() {
		return this.#ready;
	}

	/**
	 * Log in, and stay logged in until `close`. With `patient` the nick may be in use for a while, by the
	 * connection of the page that was there before a reload.
	 * @param {Credentials} credentials
	 * @param {boolean} patient
	 */
	login(credentials, patient = false) {
		this.close();
		this.#credentials = credentials;
		this.#patient = patient;
		this.#attempts = this.#taken = 0;
		this.cursor = null;
		this.#connect();
	}

	/** End the session; the page does not come back. */
	close() {
		this.#credentials = null;
		this.surroundings.clearTimer(this.#timer);
		this.#drop();
	}

	/** Connect at once if the next attempt is being waited for; else find out if the connection still is one. */
	poke() {
		if (this.#credentials === null) return;
		if (this.#socket === null) {
			this.#connect();
		} else if (this.#ready && this.#probe === null) {
			const socket = this.#socket;
			this.#probe = this.surroundings.setTimer(() => {
				this.#probe = null;
				if (this.#socket === socket) this.#lost();
			}, PROBE_SECONDS * 1000);
			this.#write({ action: "client-hello", ref: "probe" });
		}
	}

	/**
	 * Send a request and return its answer. A refusal is an answer. If the connection is lost before, the
	 * answer is a `server-error` with the code `connection_lost`.
	 * @param {Wired} request
	 * @returns {Promise<Wired>}
	 */
	request(request) {
		return new Promise((resolve) => {
			if (!this.#ready && !this.#identified) {
				resolve(lost());
				return;
			}
			const ref = `r${++this.#number}`;
			this.#requests.set(ref, resolve);
			this.#write({ ...request, ref });
		});
	}

	/** Send a message that has a ref of its own; its answer comes to `received`. @param {Wired} message */
	send(message) {
		this.#write(message);
	}

	/** @param {Wired} object */
	#write(object) {
		if (this.#socket !== null && this.#socket.readyState === 1) this.#socket.send(JSON.stringify(object));
	}

	#connect() {
		this.surroundings.clearTimer(this.#timer);
		this.#timer = null;
		this.#reason = null;
		this.listener.stateChanged("connecting", 0);
		let socket;
		try {
			socket = this.surroundings.open();
		} catch {
			this.#retry();
			return;
		}
		this.#socket = socket;
		socket.onopen = () => this.#socket === socket && this.#hello();
		socket.onmessage = (event) => this.#socket === socket && this.#receive(event.data);
		socket.onclose = (event) => this.#socket === socket && this.#closed(event.code, event.reason);
	}

	#hello() {
		const { nick, password } = /** @type {Credentials} */ (this.#credentials);
		/** @type {Wired} */
		const hello = { action: "client-hello", ref: "hello" };
		if (nick) hello.from = nick;
		if (password) hello.password = password;
		this.#resuming = this.cursor !== null;
		if (this.#resuming) hello.since = this.cursor;
		this.#write(hello);
	}

	/** @param {string} text */
	#receive(text) {
		/** @type {Wired} */
		let object;
		try {
			object = JSON.parse(text);
		} catch {
			return;
		}
		this.#heard = true;
		if (object.ref === "hello" && !this.#identified) {
			this.#helloAnswered(object);
		} else if (object.ref === "ready" || object.ref === "probe") {
			this.#probeAnswered(object);
		} else if (object.ref !== undefined && this.#requests.has(object.ref)) {
			const answered = this.#requests.get(object.ref);
			this.#requests.delete(object.ref);
			if (object.action === "server-ack") this.#seen(object.id);
			answered?.(object);
		} else if (DELIVERIES.has(object.action)) {
			if (typeof object.id === "number") {
				if (this.cursor !== null && object.id <= this.cursor) return;
				this.#seen(object.id);
			}
			this.listener.received(object);
		} else {
			if (object.action === "server-error" && object.ref === undefined) this.#reason = object;
			if (object.action === "server-ack") this.#seen(object.id);
			this.listener.received(object);
		}
	}

	/** Before everything missed has come in, a page can't be resumed from an id. @param {number} id */
	#seen(id) {
		if (this.cursor !== null && id > this.cursor) this.cursor = id;
	}

	/** @param {Wired} answer */
	#helloAnswered(answer) {
		if (answer.action === "server-error") {
			const again = this.#resuming || this.#patient;
			const passing = answer.retry_after !== undefined && (again || answer.code !== "rate_limited");
			const taken = answer.code === "nick_taken" && again && ++this.#taken <= (this.#resuming ? 60 : TAKEN_ATTEMPTS);
			this.#drop();
			if (passing || taken) {
				this.#retry(answer.retry_after ?? (this.#taken < 4 ? 0.4 : 2));
			} else {
				this.#end(answer, false);
			}
			return;
		}
		this.#identified = true;
		this.#taken = 0;
		const credentials = /** @type {Credentials} */ (this.#credentials);
		this.guest = !credentials.nick;
		// A cursor beyond the daemon's last id belongs to another log.
		if (this.cursor !== null && this.cursor > answer.cursor) {
			this.cursor = null;
			this.#resuming = false;
		}
		this.#patient = true;
		this.listener.welcomed(answer, this.#resuming);
		// Answers come after everything that was missed.
		this.#write({ action: "client-hello", ref: "ready", typing: "show" });
	}

	/** @param {Wired} answer */
	#probeAnswered(answer) {
		this.surroundings.clearTimer(this.#probe);
		this.#probe = null;
		if (answer.ref !== "ready" || answer.action !== "server-hello") return;
		this.cursor = Math.max(this.cursor ?? 0, answer.cursor);
		this.#ready = true;
		this.#attempts = 0;
		this.#watch();
		this.listener.stateChanged("online", 0);
		this.listener.caughtUp();
	}

	/** Probe a connection that has been silent. */
	#watch() {
		this.surroundings.clearTimer(this.#silence);
		this.#heard = false;
		this.#silence = this.surroundings.setTimer(() => {
			if (!this.#heard) this.poke();
			this.#watch();
		}, SILENCE_SECONDS * 1000);
	}

	/** @param {number} code @param {string} reason */
	#closed(code, reason) {
		const refusal = this.#reason ?? (code === 1008 ? { action: "server-error", code: reason, msg: reason } : null);
		const final = refusal !== null && (code === 1008 || FINAL_CODES.has(refusal.code));
		// These two may be repeated, whatever the close code says.
		if (final && !["slow_consumer", "shutting_down", "rate_limited"].includes(refusal.code)) {
			this.#drop();
			this.#end(refusal, this.cursor !== null);
		} else {
			this.#lost(refusal?.retry_after);
		}
	}

	/** @param {number} [seconds] */
	#lost(seconds = 0) {
		this.#drop();
		if (this.#credentials !== null) this.#retry(this.#attempts === 0 ? 0 : seconds);
	}

	#drop() {
		const socket = this.#socket;
		this.#socket = null;
		this.#identified = this.#ready = false;
		this.surroundings.clearTimer(this.#probe);
		this.surroundings.clearTimer(this.#silence);
		this.#probe = null;
		socket?.close();
		const waiting = [...this.#requests.values()];
		this.#requests.clear();
		for (const answered of waiting) answered(lost());
	}

	/** Connect again: at once the first time, then after 1, 2, 4 … 30 s. @param {number} [least] seconds */
	#retry(least = 0) {
		const attempt = this.#attempts++;
		const planned = attempt === 0 ? 0 : Math.min(MAX_SECONDS, 2 ** (attempt - 1));
		const seconds = Math.max(least, planned * (0.75 + this.surroundings.random() / 2));
		this.listener.stateChanged("waiting", seconds);
		this.#timer = this.surroundings.setTimer(() => this.#connect(), seconds * 1000);
	}

	/** @param {Wired} refusal @param {boolean} wasIn */
	#end(refusal, wasIn) {
		this.#credentials = null;
		this.surroundings.clearTimer(this.#timer);
		this.listener.stateChanged("closed", 0);
		this.listener.ended(refusal, wasIn);
	}
}

/** @returns {Wired} */
function lost() {
	return { action: "server-error", code: "connection_lost", msg: "the connection was lost before the answer came" };
}
