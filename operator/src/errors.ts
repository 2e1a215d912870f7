import { CodedError } from "@bellwether/service-kit";

/** Every error code of this package, with what it means; a test holds the list against the documentation. */
export const operatorErrors = {
  TOKEN_ISSUER_UNREADABLE:
    "The API server does not say who signs ServiceAccount tokens, or hands out no keys: services could not verify each other.",
  CRD_MISSING: "A CustomResourceDefinition of ours is not installed.",
} as const;

export type OperatorErrorCode = keyof typeof operatorErrors;

export class OperatorError extends CodedError<OperatorErrorCode> {}
