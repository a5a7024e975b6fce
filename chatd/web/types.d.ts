/** The types of the page's modules, for `tsc --checkJs`. No browser reads this file. */

/** An object of the JSON wire. */
type Wired = Record<string, any>;

/** An empty nick is a guest. */
interface Credentials {
  nick: string;
  password: string;
}

type WireState = "connecting" | "online" | "waiting" | "closed";

interface WireListener {
  /** `seconds` is the time until the next attempt. */
  stateChanged(state: WireState, seconds: number): void;
  /** After each login. */
  welcomed(welcome: Wired, resumed: boolean): void;
  /** After everything that was missed has been received. */
  caughtUp(): void;
  /** A delivery, or an answer to no request. */
  received(object: Wired): void;
  /** The login was refused, or the session ended for good. */
  ended(refusal: Wired, wasIn: boolean): void;
}

/** What a connection needs of the browser; tests have their own. */
interface Surroundings {
  open(): WebSocket;
  setTimer(done: () => void, milliseconds: number): any;
  clearTimer(timer: any): void;
  /** 0 to 1. */
  random(): number;
}

type Kind = "lobby" | "group" | "direct";

/** A message (with `from`) or an event of a group (with `event`). */
interface Entry {
  id: number;
  ts: string;
  from?: string;
  msg?: string;
  /** "image", "action" (then `msg` is without its `/me`) or "notice"; a message has none. */
  kind?: string;
  deleted?: boolean;
  /** The id of the event by which the message was edited, or 1 if a page says no more. */
  edited?: number;
  /** The id and the author of the message that this one answers. */
  reply_to?: number;
  reply_from?: string;
  /** The first one first. */
  reactions?: Reaction[];
  /** How often it was changed since it was received. */
  version?: number;
  event?: string;
  actor?: string;
  subject?: string;
  /** The other fields of an event. */
  details?: Wired;
}

interface Reaction {
  reaction: string;
  nicks: string[];
}

interface Conversation {
  key: string;
  kind: Kind;
  name: string;
  /** By id, without gaps. */
  entries: Entry[];
  /** Whether the last page is there. */
  loaded: boolean;
  /** Whether the events between its messages are there. */
  events: boolean;
  /** Whether the first message is there. */
  complete: boolean;
  /** Whether the user is no member any more. */
  gone: boolean;
  /** The id up to which messages were deleted, or 0. */
  trimmed: number;
  /** Whether there are later messages than the entries, which are a page from the past. */
  newer: boolean;
  read: import("./static/read_state.js").ReadState;
}

interface Member {
  name: string;
  role: string;
  online: boolean;
}

type News =
  | { what: "entry"; conversation: Conversation; entry: Entry; mentioned: boolean }
  | { what: "announced"; actor: string; text: string }
  | { what: "invited"; group: string; actor: string };

/** A message that is not acknowledged. `at` is in milliseconds, for the order. */
interface Item {
  ref: string;
  key: string;
  kind: Kind;
  name: string;
  msg: string;
  image: boolean;
  at: number;
  state: "waiting" | "sent" | "failed";
  refusal: Wired | null;
  /** Whether it was sent on a connection that was lost. */
  again?: boolean;
  /** The id and the author of the message that it answers. */
  reply_to?: number;
  reply_from?: string;
}

/** A part of a message's text. */
interface Part {
  type: "text" | "code" | "block" | "link" | "mention";
  text: string;
  href?: string;
}

/** What is special about a field of commands; others are names, with a key that equals their name. */
interface SentField {
  kind?: string;
  key?: string;
  choices?: string[];
}

interface SentCommand {
  name: string;
  action?: string;
  word?: string;
  slash?: string;
  room?: boolean;
  event?: string;
  /** `group dest [reason]` */
  fields: string;
  help: string;
}

interface SentTable {
  fields: Record<string, SentField | undefined>;
  commands: SentCommand[];
}

interface Field {
  name: string;
  key: string;
  kind: string;
  choices?: string[];
  required: boolean;
}

/** An empty word is one that the command does not have. */
interface Command {
  name: string;
  action: string;
  word: string;
  slash: string;
  room?: boolean;
  event?: string;
  fields: Field[];
  help: string;
}

/** Where something is typed. `lastMessage` returns the id of the user's last message there, or of the last one of somebody else. */
interface Here {
  kind: Kind;
  name: string;
  lastMessage?(own: boolean): number;
  isGroup?(name: string): boolean;
}

type Typed =
  | { what: "message"; text: string }
  | { what: "request"; command: Command; request: Wired }
  | { what: "wrong"; text: string };

/** `start` is where the completed word begins. */
interface Completion {
  start: number;
  offers: string[];
}

/** What the daemon says, in English and in French. */
interface Catalogue {
  refusals: Record<string, string | [string, string]>;
  reasons: [string, string][];
  texts: Record<string, string>;
}

/** A row of the log that is in the document. A height of -1 was not measured. */
interface Row {
  row: HTMLElement;
  signature: string;
  height: number;
}

interface RowMaker {
  /** It changes when the row must be made anew. */
  signature(entries: Entry[], index: number): string;
  make(entries: Entry[], index: number): HTMLElement;
  fold(row: HTMLElement, entry: Entry): void;
}

interface RowContext {
  me: string;
  colours: Map<string, string>;
  group: string;
  newAfter: number | null;
  query: string;
  found: number;
}

/** Carries out a request and shows what was refused. */
type Do = (request: Wired, title: string) => Promise<Wired>;

interface OwnActions {
  language(language: string): void;
  logOut(): void;
}

/** The last pages of a user's conversations. */
interface Snapshot {
  nick: string;
  active: string;
  groups: Wired[];
  conversations: { kind: Kind; name: string; entries: Entry[] }[];
}

/** A line of the palette, and what it is. */
interface PaletteChoice {
  text: string;
  about: string;
  chosen(): void;
}

/** What the text in the field is for, if it is no new message of its own. */
interface Target {
  what: "reply" | "edit";
  entry: Entry;
  /** Whether the edit is under way. */
  busy?: boolean;
}
