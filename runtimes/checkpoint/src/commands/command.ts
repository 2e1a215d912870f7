import type { Clock, Logger } from "@bellwether/service-kit";
import type { CheckpointConfig } from "../config.ts";
import type { Copy } from "../copies/copy.ts";
import type { Envelope } from "../format/envelope.ts";
import type { Source } from "../source.ts";

export interface CommandOptions {
  /** Verify everything now, not only today's share. */
  readonly all: boolean;
  /** The snapshot to restore; undefined: the newest that can be. */
  readonly snapshot: string | undefined;
  /** Of a request to restore: the same again finishes what was begun, and does nothing once it is done. */
  readonly request: string | undefined;
}

export interface CommandContext {
  readonly config: CheckpointConfig;
  /** In the order they are read from. */
  readonly copies: readonly Copy[];
  readonly sources: readonly Source[];
  readonly envelope: Envelope;
  readonly clock: Clock;
  readonly log: Logger;
  /** Names this run among those of the same Checkpoint. */
  readonly run: string;
  readonly onProgress: (figure: "bytes" | "chunks", value: number) => void;
  /** How much of the journal a copy lacks, milliseconds; undefined: nothing was shipped to it yet. */
  readonly onLag: (copy: string, lagMs: number | undefined) => void;
  readonly signal: AbortSignal;
}

/** What a job says at its end, one JSON object; `ok` decides about the exit code. */
export interface CommandResult {
  readonly ok: boolean;
  readonly verifiedCopies?: number;
  readonly [figure: string]: unknown;
}

export interface Command {
  readonly summary: string;
  readonly example: string;
  /** @throws CodedError: the job has failed, and its result says so */
  run(context: CommandContext, options: CommandOptions): Promise<CommandResult>;
}
