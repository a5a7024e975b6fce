/** The form with which the user logs in. */

import { byId } from "./dom.js";
import { refusalText, t } from "./language.js";
import { lastNick } from "./store.js";

export class LoginView {
	/** @param {{login: (nick: string, password: string) => void, offline: () => void, language: () => void}} actions */
	constructor(actions) {
		this.page = byId("login");
		this.nick = /** @type {HTMLInputElement} */ (byId("login-nick"));
		this.password = /** @type {HTMLInputElement} */ (byId("login-password"));
		this.error = byId("login-error");
		this.passwordRow = byId("login-password-row");
		byId("login-form").addEventListener("submit", (event) => {
			event.preventDefault();
			const nick = this.nick.value.trim();
			if (nick === "") {
				this.error.textContent = t("Write the nick that you want to have, or continue as a guest.");
				this.nick.focus();
				return;
			}
			this.#busy(true);
			actions.login(nick, this.passwordRow.hidden ? "" : this.password.value);
		});
		byId("login-guest").addEventListener("click", () => {
			this.#busy(true);
			actions.login("", "");
		});
		byId("login-has-password").addEventListener("click", () => this.#askPassword());
		byId("login-offline").addEventListener("click", actions.offline);
		byId("login-language").addEventListener("click", actions.language);
	}

	/** @param {boolean} busy */
	#busy(busy) {
		this.error.textContent = "";
		for (const one of this.page.querySelectorAll("button[type=submit], #login-guest")) /** @type {HTMLButtonElement} */ (one).disabled = busy;
	}

	#askPassword() {
		this.passwordRow.hidden = false;
		byId("login-has-password").hidden = true;
		(this.nick.value === "" ? this.nick : this.password).focus();
	}

	/** Show the form. @param {{code: string, msg: string} | null} refusal @param {string} [nick] */
	show(refusal, nick) {
		this.page.hidden = false;
		byId("app").hidden = true;
		this.#busy(false);
		this.nick.value ||= nick ?? lastNick.get();
		if (refusal?.code === "password_required") {
			this.#askPassword();
			this.password.focus();
		} else {
			this.nick.focus();
		}
		if (refusal !== null) this.error.textContent = refusalText(refusal);
	}

	/** Say that the daemon does not answer. @param {string} text @param {boolean} kept whether pages are kept here */
	unreachable(text, kept) {
		this.#busy(false);
		this.error.textContent = text;
		byId("login-offline").hidden = !kept;
	}

	hide() {
		this.password.value = "";
		this.page.hidden = true;
		byId("app").hidden = false;
		this.#busy(false);
	}
}
