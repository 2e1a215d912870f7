import { CodedError } from "./coded-error.ts";
import type { ServiceKitErrorCode } from "./errors.ts";

/** Longer ones are no address of any service we know of. */
const longestUrl = 2_000;

/**
 * The address of a webhook, as a Secret holds it. Whoever has it may post: no message of ours repeats any part of it.
 *
 * @param ports that can be reached at all; absent: any
 * @throws CodedError WEBHOOK_URL_INVALID saying what is wrong with it, and never the value
 */
export function parseWebhookUrl(text: string, ports?: readonly number[]): URL {
  const trimmed = text.trim();
  const fault = (what: string): CodedError<ServiceKitErrorCode> =>
    new CodedError<ServiceKitErrorCode>("WEBHOOK_URL_INVALID", `the webhook's URL ${what}`);
  if (trimmed === "") throw fault("is empty");
  if (trimmed.length > longestUrl) throw fault(`is longer than ${longestUrl} characters`);
  if (!URL.canParse(trimmed)) throw fault("is not a URL");
  const url = new URL(trimmed);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw fault("must begin with https:// or http://");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (ports && !ports.includes(port))
    throw fault(`must have port ${ports.join(" or ")}: the network lets this pod reach no other`);
  return url;
}
