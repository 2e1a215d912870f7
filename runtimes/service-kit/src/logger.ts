import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Keys whose values never reach a log, at the top and up to two levels down. Secrets belong into files, this is the net below. */
const secretKeys = [
  "authorization",
  "token",
  "password",
  "dsn",
  "apiKey",
  "secret",
  "privateKey",
  "keypair",
  "signature",
  "connectionString",
];

const redactedPaths = secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

export interface LoggerOptions {
  readonly name: string;
  readonly level?: string;
  readonly destination?: DestinationStream;
}

const deepestCause = 5;

/**
 * An error as it stands in a log: code, context and the chain of causes. Ours rather than pino's, which marks what it has seen on the objects
 * themselves and takes anything with a `message` for an error: a frozen context made it throw.
 */
function loggedError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { code, context } = error as { code?: unknown; context?: unknown };
  return {
    type: error.constructor.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(context !== undefined && { context }),
    stack: error.stack,
    ...(error.cause !== undefined && depth < deepestCause && { cause: loggedError(error.cause, depth + 1) }),
  };
}

/** Structured logs on standard output, one JSON object a line. */
export function createLogger({ name, level = "info", destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedPaths, censor: "[redacted]" },
    serializers: { err: loggedError, error: loggedError },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** A logger that says nothing, for tests: nobody asserts on logs. */
export const silentLogger: Logger = pino({ level: "silent" });
