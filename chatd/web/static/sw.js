/** The service worker keeps the page's own files, so that it opens without a network. Never a message. */

const CACHE = "chatd-shell";
const SHELL = [
	"./", "app.css", "app.js", "commands.js", "completion.js", "composer.js", "dialogs.js", "dom.js", "events.js",
	"french.js", "icon.svg", "image.js", "language.js", "log_view.js", "manifest.webmanifest", "members_view.js",
	"notify.js", "outbox.js", "reply_view.js", "rooms_view.js", "row_view.js", "search.js", "state.js", "store.js",
	"text.js", "wire.js", "commands-en.json", "commands-fr.json", "history.js", "login_view.js", "menus.js",
	"french.json", "message_actions.js", "message_menu.js", "palette.js", "read_marks.js", "read_state.js", "target.js", "search_results.js", "typing.js", "typing_view.js",
].map((name) => new URL(name, self.registration.scope).href);

self.addEventListener("install", (event) => {
	event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
	const address = new URL(event.request.url);
	address.search = address.hash = "";
	if (event.request.method !== "GET" || !SHELL.includes(address.href)) return;
	event.respondWith(fresh(event.request, address.href));
});

/** Return the daemon's file, and what is kept if the daemon does not answer. */
async function fresh(request, address) {
	const cache = await caches.open(CACHE);
	try {
		const answer = await fetch(request);
		if (answer.ok) await cache.put(address, answer.clone());
		return answer;
	} catch (error) {
		const kept = await cache.match(address);
		if (kept === undefined) throw error;
		return kept;
	}
}

self.addEventListener("notificationclick", (event) => {
	event.notification.close();
	event.waitUntil(self.clients.matchAll({ type: "window" }).then((all) => (all[0] ? all[0].focus() : self.clients.openWindow("./"))));
});
