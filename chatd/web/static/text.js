/** The text of a message: links, code and mentions, as parts and as DOM nodes. Never as markup. */

// Block, code, link. The block ends its line. Signs that change the direction of a text are in no link.
const PATTERN =
	/```[^\n`]*\n([\s\S]*?)\n?```\n?|`([^`\n]+)`|\b(?:https?:\/\/|mailto:)[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;
const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** @type {Map<string, RegExp>} */
const patterns = new Map();

/** Return a pattern that finds a nick as a word of its own, as in "@bob" and "bob:". @param {string} nick */
function mentionPattern(nick) {
	let pattern = patterns.get(nick);
	if (pattern === undefined) {
		const quoted = nick.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
		pattern = new RegExp(`(?<![\\p{L}\\p{N}_])@?${quoted}(?![\\p{L}\\p{N}_])`, "giu");
		patterns.set(nick, pattern);
	}
	pattern.lastIndex = 0;
	return pattern;
}

/** Return whether `text` mentions `nick`. @param {string} text @param {string} nick */
export function mentions(text, nick) {
	return nick !== "" && mentionPattern(nick).test(text);
}

/** Return the parts of a message's text. @param {string} text @param {string} nick @returns {Part[]} */
export function parseText(text, nick) {
	/** @type {Part[]} */
	const parts = [];
	let end = 0;
	for (const found of text.matchAll(PATTERN)) {
		/** @type {Part} */
		let part;
		let length = found[0].length;
		if (found[1] !== undefined) {
			part = { type: "block", text: found[1] };
		} else if (found[2] !== undefined) {
			part = { type: "code", text: found[2] };
		} else {
			const shown = withoutPunctuation(found[0]);
			const href = safeAddress(shown);
			if (href === null) continue;
			length = shown.length;
			part = { type: "link", text: shown, href };
		}
		addText(parts, text.slice(end, found.index), nick);
		parts.push(part);
		end = found.index + length;
	}
	addText(parts, text.slice(end), nick);
	return parts;
}

/** @param {Part[]} parts @param {string} text @param {string} nick */
function addText(parts, text, nick) {
	let end = 0;
	if (nick !== "") {
		for (const found of text.matchAll(mentionPattern(nick))) {
			if (found.index > end) parts.push({ type: "text", text: text.slice(end, found.index) });
			parts.push({ type: "mention", text: found[0] });
			end = found.index + found[0].length;
		}
	}
	if (end < text.length) parts.push({ type: "text", text: text.slice(end) });
}

/** Return a link without what belongs to the sentence around it. @param {string} link */
function withoutPunctuation(link) {
	let end = link.length;
	let open = 0;
	for (const one of link) open += one === "(" ? 1 : one === ")" ? -1 : 0;
	while (end > 0) {
		const last = link[end - 1];
		if (last === ")" && open < 0) open++;
		else if (!".,;:!?]}…".includes(last)) break;
		end--;
	}
	return link.slice(0, end);
}

/** Return the address of a link that may be followed, else null. @param {string} link */
export function safeAddress(link) {
	try {
		const address = new URL(link);
		return SCHEMES.has(address.protocol) && (address.protocol === "mailto:" || address.hostname) ? address.href : null;
	} catch {
		return null;
	}
}

/**
 * Return a message's text as nodes. What `query` finds is marked.
 * @param {string} text @param {string} nick @param {string} query
 */
export function textNodes(text, nick, query = "") {
	const nodes = document.createDocumentFragment();
	for (const part of parseText(text, nick)) {
		if (part.type === "text") {
			appendMarked(nodes, part.text, query);
			continue;
		}
		const code = document.createElement("code");
		if (part.type === "block") {
			const block = document.createElement("pre");
			block.tabIndex = 0;
			appendMarked(code, part.text, query);
			block.append(code);
			nodes.append(block);
		} else if (part.type === "code") {
			appendMarked(code, part.text, query);
			nodes.append(code);
		} else if (part.type === "link") {
			const link = document.createElement("a");
			link.href = /** @type {string} */ (part.href);
			link.target = "_blank";
			link.rel = "noopener noreferrer";
			link.dir = "ltr";
			appendMarked(link, part.text, query);
			nodes.append(link);
		} else {
			const mention = document.createElement("span");
			mention.className = "mention";
			appendMarked(mention, part.text, query);
			nodes.append(mention);
		}
	}
	return nodes;
}

/** @param {string} text */
export function folded(text) {
	return text.toLowerCase();
}

/** @param {Node} node @param {string} text @param {string} query lower case */
function appendMarked(node, text, query) {
	const low = query ? folded(text) : "";
	let end = 0;
	// Where lower case changes the length, places differ: then nothing is marked.
	if (query && low.length === text.length) {
		for (let at = low.indexOf(query); at >= 0; at = low.indexOf(query, end)) {
			node.appendChild(document.createTextNode(text.slice(end, at)));
			const mark = document.createElement("mark");
			mark.textContent = text.slice(at, at + query.length);
			node.appendChild(mark);
			end = at + query.length;
		}
	}
	node.appendChild(document.createTextNode(text.slice(end)));
}
