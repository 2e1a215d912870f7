/** Every error code of this package, with what it means; a test holds the list against the code. */
export const serviceKitErrors = {
  CONFIG_UNREADABLE: "The configuration file cannot be read or is not JSON.",
  CONFIG_INVALID: "The configuration has faults; all of them are listed.",
  UNAUTHENTICATED: "The caller's token is missing, malformed, expired, for another audience or not signed by the cluster.",
  FORBIDDEN: "The caller is known but may not do this.",
  INVALID_BODY: "The body or a parameter of the request does not fit its schema.",
  NOT_FOUND: "No such route or object.",
  INTERNAL: "An unexpected fault of the service; its log has the cause.",
  HTTP_STATUS: "The other service answered with an error status; context has status, code and message.",
  UNREACHABLE: "The other service could not be reached: the outcome of a write is unknown.",
  TIMEOUT: "The other service did not answer in time: the outcome of a write is unknown.",
  INVALID_REPLY: "The other service's answer does not fit its schema.",
  STREAM_IDLE: "A stream carried neither event nor heartbeat for too long.",
  STREAM_ENDED: "The other side closed a stream.",
  WEBHOOK_URL_INVALID: "A webhook's URL is none; the message says why and never repeats it.",
} as const;

export type ServiceKitErrorCode = keyof typeof serviceKitErrors;
