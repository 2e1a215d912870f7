import { CodedError, type Clock } from "@bellwether/service-kit";
import { routeCallers } from "../config.ts";
import type { GatewayErrorCode } from "../errors.ts";
import { WatchedFile } from "../watched-file.ts";
import type { Tenant } from "./tenant.ts";

/**
 * The list of those who may call, as the operator keeps it beside the configuration: the strategies whose spec names the route. A change of it
 * restarts nothing; while there is no list that can be read, nobody may call.
 */
export class CallersFile {
  readonly #file: WatchedFile<ReadonlyMap<string, Tenant>>;

  constructor(file: string, clock: Pick<Clock, "nowMs">) {
    this.#file = new WatchedFile(file, { clock, parse: parseCallers });
  }

  /** Who it is by this list. */
  tenant(subject: string): Tenant | undefined {
    return this.#file.value()?.get(subject);
  }

  /** Why the list as it is now cannot be used; the last one that could holds on. */
  fault(): string | undefined {
    return this.#file.fault();
  }
}

/** @throws CodedError CALLERS_FILE_INVALID */
function parseCallers(text: string): ReadonlyMap<string, Tenant> {
  const invalid = (why: string, cause?: unknown): CodedError<GatewayErrorCode> =>
    new CodedError<GatewayErrorCode>("CALLERS_FILE_INVALID", `the list of callers cannot be used: ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON", cause);
  }
  const parsed = routeCallers.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  return new Map(parsed.data.map(({ subject, tenant, weight }) => [subject, { name: tenant, weight }]));
}
