import { createHash } from "node:crypto";
import type { ChatRequest } from "../server/chat-request.ts";

/**
 * Whose answers may be used for whom. A required part of every key and of every look-up: an answer found without one would be another
 * tenant's. `shared` is a word of its own, so that no tenant can be called like it.
 */
export type CacheScope = { readonly route: string; readonly tenant: string } | { readonly route: string; readonly shared: true };

/** What an answer depends on besides the texts and their order. */
type Settings = Omit<ChatRequest, "messages" | "stream" | "stream_options" | "user">;

/**
 * A key for one question under one scope: equal for requests that any model must take as the same, different for all others.
 *
 * The same: order of keys in objects, `null` or a missing field, line ends, blanks at line ends and at both ends of a text, a text or its
 * parts, the Unicode form (NFC), whether it is streamed, `user`, `max_tokens` or its newer name. Never the same: model, tools, any sampling
 * setting, the form of the answer, a role, an inner blank of a text (code and tables live from them), scope.
 */
export function exactKey(request: ChatRequest, scope: CacheScope): string {
  return digest(["chat", scopeText(scope), settingsOf(request), request.messages.map(normalisedMessage)]);
}

/** The part of the key that two questions of the same meaning must share: everything but the words of the last user message. */
export function contextKey(request: ChatRequest, scope: CacheScope): string {
  const last = lastUserIndex(request);
  const around = request.messages.map((message, index) =>
    index === last ? { ...normalisedMessage(message), content: "" } : normalisedMessage(message),
  );
  return digest(["semantic", scopeText(scope), settingsOf(request), around]);
}

/** Where the question stands: the last message, if a user's; undefined otherwise, for a conversation in the middle of tool calls is no question. */
export function lastUserIndex({ messages }: Pick<ChatRequest, "messages">): number | undefined {
  const index = messages.length - 1;
  return messages[index]?.role === "user" ? index : undefined;
}

function scopeText(scope: CacheScope): readonly string[] {
  return "shared" in scope ? [scope.route, "shared"] : [scope.route, "tenant", scope.tenant];
}

function settingsOf(request: ChatRequest): Settings {
  const { messages: _messages, stream: _stream, stream_options: _options, user: _user, ...settings } = request;
  const { max_tokens: older, max_completion_tokens: newer, ...rest } = settings;
  return withoutNulls({ ...rest, max_completion_tokens: newer ?? older });
}

/** `null` is OpenAI's way to leave a field out. Only of a request's own fields: inside a tool's schema it is a value. */
function withoutNulls<Members extends object>(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== null)) as Members;
}

function normalisedMessage({ content, ...message }: ChatRequest["messages"][number]): Record<string, unknown> {
  const text = typeof content === "string" ? content : content?.map((part) => part.text).join("");
  return { ...withoutNulls(message), content: text === undefined ? "" : normaliseText(text) };
}

/** The text in one form: NFC, `\n` line ends, nothing behind the last visible character of a line, no empty lines around it. */
export function normaliseText(text: string): string {
  return text
    .normalize("NFC")
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/[ \t]+$/gm, "")
    .trim();
}

/** JSON with sorted keys; undefined members are left out. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`)
    .join(",")}}`;
}

function digest(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("base64url");
}
