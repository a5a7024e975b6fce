/**
 * The log of a conversation: only the rows in view are in the document.
 *
 * Heights are measured once a row was shown and estimated before. A Fenwick tree sums them up, so that a row is
 * found in logarithmic time.
 */

import { eachFrame } from "./dom.js";
import { find } from "./state.js";

const OVERSCAN = 400;
const PASSES = 4;
const NEAR_TOP = 1500;
const AT_END = 24;

class Heights {
	#tree = new Float64Array(1024);
	/** @type {number[]} */ #values = [];

	get length() {
		return this.#values.length;
	}

	/** @param {number[]} values */
	reset(values) {
		this.#values = values;
		let size = 1024;
		while (size < values.length * 2) size *= 2;
		this.#tree = new Float64Array(size);
		const tree = this.#tree;
		for (let i = 0; i < values.length; i++) tree[i + 1] = values[i];
		for (let i = 1; i < size; i++) {
			const up = i + (i & -i);
			if (up < size) tree[up] += tree[i];
		}
	}

	/** @param {number} value */
	push(value) {
		if (this.#values.length + 2 >= this.#tree.length) {
			this.#values.push(value);
			this.reset(this.#values);
			return;
		}
		this.#values.push(0);
		this.set(this.#values.length - 1, value);
	}

	/** @param {number} index @param {number} value */
	set(index, value) {
		const change = value - this.#values[index];
		this.#values[index] = value;
		for (let i = index + 1; i < this.#tree.length; i += i & -i) this.#tree[i] += change;
	}

	/** @param {number} index */
	at(index) {
		return this.#values[index];
	}

	/** Return the sum of the heights before a row. @param {number} index */
	before(index) {
		let sum = 0;
		for (let i = index; i > 0; i -= i & -i) sum += this.#tree[i];
		return sum;
	}

	/** Return the row at a distance from the top. @param {number} distance */
	find(distance) {
		let at = 0;
		for (let step = this.#tree.length >> 1; step > 0; step >>= 1) {
			if (at + step < this.#tree.length && this.#tree[at + step] <= distance) {
				at += step;
				distance -= this.#tree[at];
			}
		}
		return Math.max(0, Math.min(at, this.length - 1));
	}
}

export class LogView {
	/** @type {Entry[]} */ #entries = [];
	/** The entries as they were when the heights were. @type {Entry[]} */ #known = [];
	/** @type {Map<number, Row>} */ #rows = new Map();
	/** @type {WeakMap<Entry, number>} */ #measured = new WeakMap();
	#heights = new Heights();
	#firstId = -1;
	#stick = true;
	#shown = [0, -1];
	#width = 0;
	#quiet = false;
	#expected = -1;
	/** The one button of the rows that Tab leads to. @type {HTMLElement | null} */ #tabStop = null;
	/** @type {any} */ #busyTimer;

	/**
	 * @param {HTMLElement} scroller @param {HTMLElement} list @param {RowMaker} rows
	 * @param {{nearTop: () => void, nearEnd: () => void, rendered: () => void, moved: (atEnd: boolean) => void}} listener
	 */
	constructor(scroller, list, rows, listener) {
		this.scroller = scroller;
		this.list = list;
		this.rows = rows;
		this.listener = listener;
		this.schedule = eachFrame(() => this.render());
		scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
		list.addEventListener("keydown", (event) => this.#key(event));
		list.addEventListener("focusin", (event) => event.target instanceof HTMLButtonElement && this.#setTabStop(event.target));
		new ResizeObserver(() => {
			if (scroller.clientWidth !== this.#width) {
				this.#measured = new WeakMap();
				this.#firstId = -1;
			}
			this.schedule();
		}).observe(scroller);
	}

	/** Whether the end of the log is in view. */
	get atEnd() {
		return this.#stick;
	}

	/** Show the log of another conversation, at its end or at the entry with this id. @param {Entry[]} entries @param {number | null} [id] */
	show(entries, id = null) {
		this.#entries = entries;
		this.#firstId = -1;
		this.#rows.clear();
		this.#shown = [0, -1];
		this.#stick = true;
		this.#quiet = true;
		this.list.replaceChildren();
		this.#sync();
		if (id === null) this.render();
		else this.goTo(id);
	}

	/** The entries have changed. With `quiet` they are no news to a screen reader. @param {boolean} quiet */
	changed(quiet) {
		if (quiet) {
			this.#firstId = -1;
			this.#quiet = true;
		}
		this.schedule();
	}

	toEnd() {
		this.#stick = true;
		this.render();
	}

	/** Whether the entry with this id, or what follows it, is above what is in view. @param {number} id */
	isAbove(id) {
		const { scrollTop } = this.scroller;
		return id < (this.#entries[0]?.id ?? 0) || this.list.offsetTop + this.#heights.before(find(this.#entries, id)) < scrollTop;
	}

	/** Scroll to the entry with this id. @param {number} id */
	goTo(id) {
		this.#sync();
		if (this.#entries.length === 0) return;
		this.#stick = false;
		this.#quiet = true;
		this.render({ index: Math.min(find(this.#entries, id), this.#entries.length - 1), offset: -this.scroller.clientHeight / 3 });
	}

	#scrolled() {
		const { scrollTop, scrollHeight, clientHeight } = this.scroller;
		if (Math.abs(scrollTop - this.#expected) < 1) return;
		this.#expected = -1;
		const atEnd = scrollTop + clientHeight >= scrollHeight - AT_END;
		if (atEnd !== this.#stick) {
			this.#stick = atEnd;
			this.listener.moved(atEnd);
		}
		this.#quiet = true;
		// Not in the next frame: what has come into view would be blank in this one.
		this.render();
	}

	/** Bring the heights in line with the entries. */
	#sync() {
		const entries = this.#entries;
		const first = entries[0]?.id ?? -1;
		if (first !== this.#firstId || entries.length < this.#heights.length) {
			this.#firstId = first;
			this.#known = entries.slice();
			this.#width = this.scroller.clientWidth;
			this.#heights.reset(entries.map((one) => this.#measured.get(one) ?? this.#estimate(one)));
		}
		for (let i = this.#heights.length; i < entries.length; i++) {
			this.#heights.push(this.#estimate(entries[i]));
			this.#known[i] = entries[i];
		}
	}

	/** @param {Entry} entry */
	#estimate(entry) {
		if (entry.msg === undefined) return 22;
		const columns = Math.max(20, (this.#width - 120) / 7.6);
		if (entry.kind === "image") return 30 + 11 * entry.msg.split("\n").length;
		return 27 + 21 * Math.min(60, Math.floor(entry.msg.length / columns));
	}

	/** Put the rows in view into the document. @param {{index: number, offset: number} | null} [wanted] the row at the top */
	render(wanted = null) {
		const { scroller, list } = this;
		const view = scroller.clientHeight;
		if (view === 0) return;
		// Where the reader is, by the rows as they were before the entries changed.
		let anchor = wanted;
		const top = list.offsetTop;
		if (anchor === null && !this.#stick) anchor = this.#anchor(top);
		this.#sync();
		const heights = this.#heights;
		const count = heights.length;
		if (this.#quiet) this.#setBusy();
		this.#quiet = false;
		const below = this.#stick && scroller.scrollHeight > view ? scroller.scrollHeight - top - list.offsetHeight : 0;
		for (let pass = 0; pass < PASSES; pass++) {
			const at = anchor === null ? heights.before(count) + below - view : heights.before(anchor.index) + anchor.offset;
			const range = count === 0 ? [0, -1] : [heights.find(Math.max(0, at - OVERSCAN)), heights.find(at + view + OVERSCAN)];
			// What was measured in the last pass may have changed what is in view.
			if (pass > 0 && range[0] >= this.#shown[0] && range[1] <= this.#shown[1]) break;
			if (pass === PASSES - 1) this.schedule();
			this.#patch(range[0], range[1]);
			this.#measure();
		}
		const [first, last] = this.#shown;
		list.style.setProperty("padding-top", `${heights.before(first)}px`);
		list.style.setProperty("padding-bottom", `${heights.before(count) - heights.before(last + 1)}px`);
		scroller.scrollTop = anchor === null ? scroller.scrollHeight : top + heights.before(anchor.index) + anchor.offset;
		this.#expected = scroller.scrollTop;
		if (wanted !== null) {
			const atEnd = scroller.scrollTop + view >= scroller.scrollHeight - AT_END;
			this.#stick = atEnd;
			this.listener.moved(atEnd);
		}
		if (scroller.scrollTop - top < NEAR_TOP) this.listener.nearTop();
		if (scroller.scrollTop + view > scroller.scrollHeight - NEAR_TOP) this.listener.nearEnd();
		this.listener.rendered();
	}

	/** @param {number} top */
	#anchor(top) {
		const position = this.scroller.scrollTop - top;
		const index = this.#heights.find(Math.max(0, position));
		const offset = position - this.#heights.before(index);
		// The entry at this row may get another index by the page that comes before it.
		const id = this.#known[index]?.id;
		if (id === undefined || this.#entries[index]?.id === id) return { index, offset };
		return { index: Math.min(find(this.#entries, id), this.#entries.length - 1), offset };
	}

	/** @param {number} first @param {number} last */
	#patch(first, last) {
		const entries = this.#entries;
		/** @type {Map<number, Row>} */
		const kept = new Map();
		for (let i = first; i <= last; i++) {
			const signature = this.rows.signature(entries, i);
			const known = this.#rows.get(entries[i].id);
			if (known !== undefined && known.signature === signature) {
				kept.set(entries[i].id, known);
			} else {
				const row = this.rows.make(entries, i);
				row.dataset.id = String(entries[i].id);
				kept.set(entries[i].id, { row, signature, height: -1 });
			}
		}
		const focused = /** @type {HTMLElement | null} */ (document.activeElement);
		/** @type {HTMLElement | undefined} */
		let renewed;
		for (const [id, { row }] of this.#rows) {
			if (kept.get(id)?.row === row) continue;
			if (row.contains(focused)) {
				this.scroller.focus({ preventScroll: true });
				renewed = kept.get(id)?.row;
			}
			row.remove();
		}
		let next = this.list.firstElementChild;
		for (const { row } of kept.values()) {
			if (row === next) next = next.nextElementSibling;
			else this.list.insertBefore(row, next);
		}
		this.#rows = kept;
		this.#shown = [first, last];
		if (renewed !== undefined) {
			const all = /** @type {HTMLElement[]} */ ([...renewed.querySelectorAll("button")]);
			const { reaction } = focused?.dataset ?? {};
			(all.find((one) => one.dataset.reaction === reaction && one.className === focused?.className) ?? all.at(-1))?.focus({ preventScroll: true });
		} else if (!this.list.contains(document.activeElement)) {
			this.#setTabStop(this.list.lastElementChild?.querySelector(".more"));
		}
	}

	/** @param {HTMLElement | null | undefined} wanted */
	#setTabStop(wanted) {
		if (!wanted || wanted === this.#tabStop) return;
		if (this.#tabStop !== null) this.#tabStop.tabIndex = -1;
		wanted.tabIndex = 0;
		this.#tabStop = wanted;
	}

	/** The arrow keys lead from a message's buttons to each other and to those of other messages. @param {KeyboardEvent} event */
	#key(event) {
		const { target, key } = event;
		if (!(target instanceof HTMLButtonElement) || !key.startsWith("Arrow") || event.altKey) return;
		event.preventDefault();
		const all = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(key === "ArrowUp" || key === "ArrowDown" ? ".more" : "button")]);
		const row = target.closest("[data-id]");
		const at = all.findIndex((one) => one === target || (one.className === "more" && row?.contains(one)));
		all[at + (key === "ArrowUp" || key === "ArrowLeft" ? -1 : 1)]?.focus();
	}

	/** Measure the rows that were not measured yet. */
	#measure() {
		const [first, last] = this.#shown;
		for (let i = first; i <= last; i++) {
			const entry = this.#entries[i];
			const known = /** @type {Row} */ (this.#rows.get(entry.id));
			if (this.#measured.get(entry) === known.height) continue;
			this.rows.fold(known.row, entry);
			known.height = known.row.getBoundingClientRect().height;
			this.#measured.set(entry, known.height);
			this.#heights.set(i, known.height);
		}
	}

	/** Keep a screen reader from reading rows that are no news. */
	#setBusy() {
		this.list.setAttribute("aria-busy", "true");
		clearTimeout(this.#busyTimer);
		this.#busyTimer = setTimeout(() => this.list.removeAttribute("aria-busy"), 300);
	}
}
