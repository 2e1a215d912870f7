import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../../errors.ts";

export interface Credentials {
  readonly apiKey: string;
  readonly secret: string;
  readonly password?: string;
}

type CredentialName = keyof Credentials;
const longestCredential = 10_000;

/**
 * Keys of an account from a mounted Secret, one file each; the newline that `kubectl create secret --from-file` leaves is taken off.
 *
 * @throws CodedError CREDENTIALS_INVALID, which names the keys that are wrong and says how, and never shows a value
 */
export function readCredentials(directory: string, names: readonly CredentialName[]): Credentials {
  const found: Partial<Record<CredentialName, string>> = {};
  const faults: string[] = [];
  for (const name of names) {
    const { value, fault } = readOne(directory, name);
    if (fault === undefined) found[name] = value;
    else faults.push(`${name} ${fault}`);
  }
  if (faults.length === 0) return { apiKey: "", secret: "", ...found };
  const message = `CredentialsInvalid: the Secret needs the keys ${names.join(", ")}; ${faults.join("; ")}`;
  throw new CodedError<BrokerErrorCode>("CREDENTIALS_INVALID", message, { context: { names } });
}

function readOne(directory: string, name: CredentialName): { value: string; fault?: string } {
  let value: string;
  try {
    value = readFileSync(join(directory, name), "utf8").replace(/\r?\n$/, "");
  } catch {
    // The reason would name a path of the pod, which helps nobody who holds the Secret.
    return { value: "", fault: "is missing" };
  }
  if (value.trim() === "") return { value, fault: "is empty" };
  if (value.length > longestCredential) return { value, fault: "is too long for a key" };
  // A PEM key has lines; anything else with blanks in it has been pasted wrong.
  if (/\s/.test(value) && !value.includes("PRIVATE KEY")) return { value, fault: "holds blanks or line breaks" };
  return { value };
}

/** What one key is known by in the journal; the key cannot be had from it. */
export function fingerprintOf(exchange: string, { apiKey }: Credentials): string {
  return createHash("sha256").update(`bellwether-account-key/1\n${exchange}\n${apiKey}`).digest("hex");
}
