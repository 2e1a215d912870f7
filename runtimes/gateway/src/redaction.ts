/** Shorter ones would take ordinary words out of texts; no provider issues such keys. */
const shortestSecret = 8;
const mostSecrets = 1_000;

/**
 * The net below all else: whatever key this process has ever read is taken out of every text that leaves it, be it a log, an error or a header. Providers
 * quote keys in their refusals, and clients in their exceptions.
 */
export class Redactor {
  readonly #secrets = new Set<string>();

  add(secret: string): void {
    if (secret.length >= shortestSecret && this.#secrets.size < mostSecrets) this.#secrets.add(secret);
  }

  redact(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, "[redacted]");
    return clean;
  }

  /** A destination for logs that lets no secret through. */
  guard(destination: { write(text: string): unknown }): { write(text: string): void } {
    return { write: (text) => void destination.write(this.redact(text)) };
  }
}
