/** The venue has answered, and not with what was asked for. What that means is the dialect's to say. */
export class VenueAnswer extends Error {
  readonly status: number;
  /** The venue's own code, as text; empty when the body holds none (a page of some front). */
  readonly code: string;
  readonly venueMessage: string;
  readonly retryAfterMs: number | undefined;

  constructor(answer: { status: number; code: string; message: string; retryAfterMs?: number | undefined }) {
    super(`${answer.status} ${answer.code} ${answer.message}`.trim().slice(0, 300));
    this.name = "VenueAnswer";
    this.status = answer.status;
    this.code = answer.code;
    this.venueMessage = answer.message.slice(0, 300);
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** Addresses without their query, which holds signatures. */
export function withoutQuery(message: string): string {
  return message.replaceAll(/(https?:\/\/[^\s?]+)\?\S*/g, "$1");
}
