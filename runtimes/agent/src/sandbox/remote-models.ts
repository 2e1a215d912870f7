import type { ModelPort, ModelReply } from "@bellwether/trading/engine/language-model";
import type { JsonValue } from "@bellwether/trading/engine/program";
import type { ModelWish } from "./serve-models.ts";

/** The host's models as the process of a source program has them: every question goes over its channel. */
export class RemoteModels implements ModelPort {
  readonly #send: (id: number, json: string) => void;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #lastId = 0;

  /** @param send hands a wish to the host */
  constructor(send: (id: number, json: string) => void) {
    this.#send = send;
  }

  ask(question: Parameters<ModelPort["ask"]>[0], promptHash: string): Promise<ModelReply> {
    return this.#exchange({ kind: "ask", question, promptHash }) as Promise<ModelReply>;
  }

  remember(market: string, thought: JsonValue): void {
    void this.#exchange({ kind: "remember", market, thought });
  }

  recall(market: string): Promise<JsonValue | undefined> {
    return this.#exchange({ kind: "recall", market }) as Promise<JsonValue | undefined>;
  }

  /** The host has answered. */
  settle(id: number, value: unknown): void {
    this.#waiting.get(id)?.(value);
    this.#waiting.delete(id);
  }

  #exchange(wish: Wish): Promise<unknown> {
    const id = ++this.#lastId;
    const json = JSON.stringify(wish);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(id, json);
    });
  }
}

/** As the host will read it; a program may put anything into its question. */
type Wish = { readonly kind: ModelWish["kind"]; readonly [field: string]: unknown };
