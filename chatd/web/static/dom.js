/** Small functions on the DOM. */

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * Create an element. Strings become text, never markup.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {string} [className] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, className = "", ...children) {
	const element = document.createElement(tag);
	if (className) element.className = className;
	element.append(...children);
	return element;
}

/** Create a button. @param {string} text @param {(event: MouseEvent) => void} pressed @param {string} [className] */
export function button(text, pressed, className = "") {
	const element = el("button", className, text);
	element.type = "button";
	element.addEventListener("click", pressed);
	return element;
}

/** Isolate a name, whose writing may run in either direction. @param {string} name */
export const name = (name) => el("bdi", "", name);

/** Return a sentence as text and isolated values, which stand for the `{names}` in it. @param {string} sentence @param {Record<string, string>} values */
export const sentenceNodes = (sentence, values) => sentence.split(/\{(\w+)\}/u).map((part, n) => (n % 2 ? name(values[part] ?? "") : part));

/** Return a function that runs `action` once in the next frame, however often it is called. @param {() => void} action */
export function eachFrame(action) {
	let waiting = false;
	return () => {
		if (waiting) return;
		waiting = true;
		const run = () => {
			waiting = false;
			action();
		};
		// A hidden page has no frames.
		if (document.hidden) setTimeout(run, 100);
		else requestAnimationFrame(run);
	};
}

/**
 * Return a function that runs `action` a quarter of a second later, and not again before `pause` milliseconds,
 * however often it is called.
 * @param {() => void} action
 */
export function slowly(action, pause = 250) {
	/** @type {any} */
	let timer = null;
	let next = 0;
	return () => {
		// A clock that is set back must not make the pause longer.
		timer ??= setTimeout(() => {
			timer = null;
			next = Date.now() + pause;
			action();
		}, Math.min(pause, Math.max(250, next - Date.now())));
	};
}

/** Compare two names in the order of the user's language. */
export const byName = new Intl.Collator(undefined, { numeric: true }).compare;
