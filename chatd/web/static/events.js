/** The sentences for the events of a group. */

import { name, sentenceNodes } from "./dom.js";
import { t } from "./language.js";

const SENTENCES = new Map(Object.entries({
	created: "{actor} created {group} ({visibility})",
	joined: "{actor} joined",
	left: "{actor} left the group",
	invited: "{actor} invited {subject}",
	uninvited: "{actor} withdrew the invitation of {subject}",
	declined: "{actor} declined the invitation",
	kicked: "{actor} removed {subject}",
	banned: "{actor} banned {subject}",
	unbanned: "{actor} lifted the ban of {subject}",
	promoted: "{actor} made {subject} {role}",
	demoted: "{subject} is no longer {role}",
	visibility: "{actor} made the group {visibility}",
	topic: "{actor} set the topic: {topic}",
	"topic-none": "{actor} removed the topic",
	history: "{actor} lets members read {history}",
	keep: "{actor} has messages deleted after {keep}",
	"keep-none": "{actor} has messages kept",
	closed: "{actor} closed the group",
	deleted: "{actor} deleted a message of {subject}",
}));

/**
 * Return the sentence of an event as text and isolated names.
 * @param {Entry} entry @param {string} group
 * @returns {(string | HTMLElement)[]}
 */
export function eventText(entry, group) {
	const details = entry.details ?? {};
	let event = entry.event ?? "";
	if (event === "topic" && !details.topic) event = "topic-none";
	if (event === "keep" && !details.keep) event = "keep-none";
	/** @type {Record<string, string>} */
	const values = {
		actor: entry.actor ?? "",
		subject: entry.subject ?? "",
		group,
		topic: details.topic ?? "",
		visibility: t(details.visibility ?? ""),
		role: t(details.role === "owner" ? "the owner" : "an operator"),
		history: t(details.history === "all" ? "all messages" : "the messages since they joined"),
		keep: duration(Number(details.keep ?? 0)),
	};
	const parts = sentenceNodes(t(SENTENCES.get(event) ?? `{actor}: ${event}`), values);
	return details.reason ? [...parts, " (", name(details.reason), ")"] : parts;
}

/** @param {number} seconds */
export function duration(seconds) {
	if (seconds % 86_400 === 0) return t("{n} days", { n: seconds / 86_400 });
	if (seconds % 3600 === 0) return t("{n} hours", { n: seconds / 3600 });
	return t("{n} seconds", { n: seconds });
}
