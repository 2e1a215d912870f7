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

/** Structured logs on standard output, one JSON object a line. */
export function createLogger({ name, level = "info", destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedPaths, censor: "[redacted]" },
    serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** A logger that says nothing, for tests: nobody asserts on logs. */
export const silentLogger: Logger = pino({ level: "silent" });
