/**
 * What the agent and the process of a source program say to each other over Node's IPC channel (structured clones).
 * One call at a time; every call is answered by one reply, with beats in between while a long one makes progress, and with
 * wishes, each of which the host answers.
 */
export interface CallMessage {
  readonly type: "call";
  readonly id: number;
  readonly method: string;
  readonly payload: unknown;
}

/** The host's word on a wish of the program. */
export interface AnswerMessage {
  readonly type: "answer";
  readonly id: number;
  readonly value: unknown;
}

export type ChildMessage =
  /** Sent once, when the process can take calls; `rssBytes` is what it weighs without a program. */
  | { readonly type: "ready"; readonly rssBytes: number }
  | { readonly type: "reply"; readonly id: number; readonly value: unknown }
  | { readonly type: "fault"; readonly id: number; readonly code: string; readonly message: string }
  /** The call under way has just begun another callback of the program: the time limit starts anew. */
  | { readonly type: "beat" }
  /** The program wants something of the models (serve-models.ts); while it waits no time of its own passes. */
  | { readonly type: "wish"; readonly id: number; readonly json: string }
  /** Something the program started went wrong outside any call; the process ends after it. */
  | { readonly type: "failed"; readonly message: string };

/** At most this often does a long call report progress: a beat a callback would cost more than the callbacks. */
export const beatEveryMs = 100;

/** True for what a child may send; it runs foreign code, so nothing it says is trusted beyond its shape. */
export function isChildMessage(message: unknown): message is ChildMessage {
  if (typeof message !== "object" || message === null || !("type" in message)) return false;
  const fields = message as Record<string, unknown>;
  switch (fields["type"]) {
    case "ready":
      return typeof fields["rssBytes"] === "number";
    case "reply":
      return typeof fields["id"] === "number";
    case "fault":
      return typeof fields["id"] === "number" && typeof fields["code"] === "string" && typeof fields["message"] === "string";
    case "beat":
      return true;
    case "wish":
      return typeof fields["id"] === "number" && typeof fields["json"] === "string";
    case "failed":
      return typeof fields["message"] === "string";
    default:
      return false;
  }
}
