/**
 * What the browser keeps: the session of this tab, drafts, which conversations are quiet, and the last pages for reading offline.
 * The outbox keeps what is not sent yet under `chatd:out:`.
 */

/** @param {Storage} storage @param {string} key @returns {any} */
function read(storage, key) {
	try {
		return JSON.parse(storage.getItem(key) ?? "null");
	} catch {
		return null;
	}
}

/** @param {Storage} storage @param {string} key @param {any} value null removes it */
function write(storage, key, value) {
	try {
		if (value === null) storage.removeItem(key);
		else storage.setItem(key, JSON.stringify(value));
	} catch {
		// A full or forbidden storage: then the page forgets.
	}
}

/** The session of this tab: a nick, never a password. */
export const session = {
	/** @returns {{nick: string} | null} */
	get: () => read(sessionStorage, "chatd:session"),
	/** @param {{nick: string} | null} value */
	set: (value) => write(sessionStorage, "chatd:session", value),
};

export const lastNick = {
	/** @returns {string} */
	get: () => read(localStorage, "chatd:nick") ?? "",
	/** @param {string} value */
	set: (value) => write(localStorage, "chatd:nick", value),
};

export const settings = {
	/** @returns {{language?: string, notify?: boolean, members?: boolean}} */
	get: () => read(localStorage, "chatd:settings") ?? {},
	/** @param {{language?: string, notify?: boolean, members?: boolean}} value */
	set: (value) => write(localStorage, "chatd:settings", { ...settings.get(), ...value }),
};

/** The keys of the conversations from which the user wants no notifications. */
export const quiet = {
	/** @param {string} nick @returns {string[]} */
	get: (nick) => read(localStorage, `chatd:quiet:${nick}`) ?? [],
	/** @param {string} nick @param {string[]} value */
	set: (nick, value) => write(localStorage, `chatd:quiet:${nick}`, value.length > 0 ? value : null),
};

export const drafts = {
	/** @param {string} nick @returns {Record<string, string>} */
	get: (nick) => read(localStorage, `chatd:drafts:${nick}`) ?? {},
	/** @param {string} nick @param {Record<string, string>} value */
	set: (nick, value) => write(localStorage, `chatd:drafts:${nick}`, Object.keys(value).length > 0 ? value : null),
};

/** The open database: a page that is being left has no time to open it. @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} */
function database() {
	opened ??= new Promise((resolve, reject) => {
		const opening = indexedDB.open("chatd", 1);
		opening.onupgradeneeded = () => opening.result.createObjectStore("pages", { keyPath: "nick" });
		opening.onsuccess = () => {
			// The browser closes it when it clears what the site has stored.
			opening.result.onclose = () => (opened = null);
			resolve(opening.result);
		};
		opening.onerror = () => reject(opening.error);
	});
	return opened;
}
database().catch(() => {});

/**
 * @template T
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} action
 * @returns {Promise<T | undefined>}
 */
async function withPages(mode, action) {
	try {
		const transaction = (await database()).transaction("pages", mode);
		return await new Promise((resolve, reject) => {
			const request = action(transaction.objectStore("pages"));
			transaction.oncomplete = () => resolve(request.result);
			transaction.onerror = transaction.onabort = () => reject(transaction.error);
			// Without this, it is undone if the page is left before it hears of the success.
			transaction.commit();
		});
	} catch {
		// Private windows may have no database: then nothing can be read offline.
		return undefined;
	}
}

/** The last pages of each user's conversations. */
export const pages = {
	/** @param {string} nick @returns {Promise<Snapshot | undefined>} */
	get: (nick) => withPages("readonly", (store) => store.get(nick)),
	/** @param {Snapshot} snapshot */
	set: (snapshot) => withPages("readwrite", (store) => store.put(snapshot)),
	/** @param {string} nick */
	remove: (nick) => withPages("readwrite", (store) => store.delete(nick)),
};

/** Remove what is kept of a user, by earlier versions as well, and of this tab's session. An empty nick is a guest. @param {string} nick */
export async function forget(nick) {
	const own = [`chatd:quiet:${nick}`, `chatd:drafts:${nick}`, `chatd:marks:${nick}`];
	if (lastNick.get() === nick) own.push("chatd:nick");
	try {
		for (const key of Object.keys(sessionStorage)) if (key.startsWith("chatd:")) sessionStorage.removeItem(key);
		for (const key of Object.keys(localStorage)) {
			if (own.includes(key) || key.startsWith(`chatd:out:${nick}:`)) localStorage.removeItem(key);
		}
	} catch {
		// Without storage nothing is kept.
	}
	await pages.remove(nick);
}
