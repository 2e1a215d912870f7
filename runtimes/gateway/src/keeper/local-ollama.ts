/** The keeper's calls to the Ollama beside it. */
import { openSync, readSync, closeSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ollama } from "ollama";
import type { KeeperConfig } from "../config.ts";
import { createModel } from "./ollama-server.ts";

/** How fast a model answered. */
export interface Measure {
  readonly tokensPerSecond: number;
}

/** What the keeper needs of an Ollama. */
export interface LocalOllama {
  /** @throws while it does not answer */
  version(): Promise<void>;
  hasModel(): Promise<boolean>;
  /** Brings the model onto the volume. @param onProgress with 0 to 1 where the length is known */
  fetch(onProgress: (ratio: number) => void): Promise<void>;
  /** Computes a few tokens with the very options that calls have, so that the model that stays loaded is the one they need. */
  warm(): Promise<Measure | undefined>;
  isLoaded(): Promise<boolean>;
}

const warmingTokens = 32;
const nanosecondsPerSecond = 1e9;

export class RealOllama implements LocalOllama {
  readonly #config: KeeperConfig;
  readonly #client: Ollama;
  #isMade = false;

  constructor(config: KeeperConfig, fetch: typeof globalThis.fetch) {
    this.#config = config;
    this.#client = new Ollama({ host: `http://127.0.0.1:${config.ollamaPort}`, fetch });
  }

  async version(): Promise<void> {
    await this.#client.version();
  }

  /** A file may be another one than at the last start: the model is made of it again. */
  async hasModel(): Promise<boolean> {
    if (this.#config.source.file !== undefined && !this.#isMade) return false;
    const { models } = await this.#client.list();
    return models.some(({ name }) => name === tagged(this.#config.model));
  }

  async fetch(onProgress: (ratio: number) => void): Promise<void> {
    const { pull, file } = this.#config.source;
    if (file !== undefined) {
      await createModel(this.#config, modelfileOf(file));
      this.#isMade = true;
      return;
    }
    if (!pull) throw new TypeError("a source of no kind passed validation");
    const { from, insecure } = pull;
    for await (const { completed, total } of await this.#client.pull({ model: from, insecure, stream: true })) {
      if (total > 0 && completed !== undefined) onProgress(Math.min(1, completed / total));
    }
    if (from !== this.#config.model) await this.#client.copy({ source: from, destination: this.#config.model });
  }

  async warm(): Promise<Measure | undefined> {
    const { model, contextTokens, threads } = this.#config;
    const options = { num_ctx: contextTokens, num_thread: threads };
    const asked = { model, keep_alive: -1, options } as const;
    try {
      const told = await this.#client.generate({
        ...asked,
        prompt: "The market opened higher, and",
        raw: true,
        options: { ...options, num_predict: warmingTokens },
      });
      return { tokensPerSecond: (told.eval_count * nanosecondsPerSecond) / told.eval_duration };
    } catch (error) {
      // A model that only embeds says 400 to a question.
      if ((error as { status_code?: unknown }).status_code !== 400) throw error;
      await this.#client.embed({ ...asked, input: "The market opened higher" });
      return undefined;
    }
  }

  async isLoaded(): Promise<boolean> {
    const { models } = await this.#client.ps();
    return models.some(({ name }) => name === tagged(this.#config.model));
  }
}

const tagged = (model: string): string => (/:[^/]*$/.test(model) ? model : `${model}:latest`);

const magic = "GGUF";

/** A Modelfile as it is; for a bare GGUF file one that names it. */
function modelfileOf(file: string): string {
  const head = Buffer.alloc(magic.length);
  const opened = openSync(file, "r");
  try {
    readSync(opened, head, 0, head.length, 0);
  } finally {
    closeSync(opened);
  }
  if (head.toString("latin1") !== magic) return file;
  const modelfile = join("/tmp", "Modelfile");
  writeFileSync(modelfile, `FROM ${file}\n`);
  return modelfile;
}
