/** OpenAI's form of an error: what its clients read. */
export interface OpenAiError {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

/** The `type` that OpenAI's clients tell errors by, from the status. */
function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 404) return "not_found_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** An error in OpenAI's form; `param` is the first field at fault. */
export function openAiError(
  status: number,
  { code, message, details }: { code: string; message: string; details?: Readonly<Record<string, unknown>> },
): OpenAiError {
  const faults = details?.["faults"];
  const first = Array.isArray(faults) && typeof faults[0] === "string" ? faults[0].split(":", 1)[0] : undefined;
  const shown = details !== undefined && Object.keys(details).length > 0 ? { details } : {};
  return { error: { message, type: typeOf(status), param: first ?? null, code, ...shown } };
}
