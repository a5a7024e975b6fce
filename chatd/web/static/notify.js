/** Notifications, the count in the title, and the service worker. */

import { settings } from "./store.js";

/** Whether this page may show notifications, at all and now. */
export const notifications = {
	possible: () => "Notification" in window && window.isSecureContext,
	on: () => notifications.possible() && Notification.permission === "granted" && settings.get().notify !== false,
	denied: () => notifications.possible() && Notification.permission === "denied",
};

/** Ask for the permission; only after a click. */
export async function askPermission() {
	const answer = await Notification.requestPermission();
	settings.set({ notify: answer === "granted" });
}

/**
 * Show a notification while the page is hidden. A later one with the same tag replaces it.
 * @param {string} title @param {string} body @param {string} tag @param {() => void} opened
 */
export function notify(title, body, tag, opened) {
	if (!document.hidden || !notifications.on()) return;
	try {
		const shown = new Notification(title, { body: body.slice(0, 200), tag, icon: "icon.svg" });
		shown.onclick = () => {
			window.focus();
			opened();
			shown.close();
		};
	} catch {
		// Some phones show notifications of service workers only.
		navigator.serviceWorker?.ready.then((worker) => worker.showNotification(title, { body: body.slice(0, 200), tag, icon: "icon.svg" }));
	}
}

let badge = 0;

/** What concerns the user in person is counted behind `@`, then all that is unread. @param {{all: number, personal: number}} unread @param {string} place */
export function setTitle(unread, place) {
	const counts = [unread.personal > 0 ? `@${unread.personal}` : "", unread.all > 0 ? unread.all : ""].filter(Boolean).join(", ");
	const title = `${counts ? "(" + counts + ") " : ""}${place} · chatd`;
	if (document.title !== title) document.title = title;
	if (unread.personal === badge || !("setAppBadge" in navigator)) return;
	badge = unread.personal;
	navigator.setAppBadge(badge).catch(() => {});
}

/** Keep the page itself for use without a network. */
export function keepShell() {
	if ("serviceWorker" in navigator && window.isSecureContext) navigator.serviceWorker.register("sw.js").catch(() => {});
}
