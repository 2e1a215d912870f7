/** LiteSVM's fieldless transaction errors by number, in the names that the RPC gives them. */
const transactionErrors = [
  "AccountInUse",
  "AccountLoadedTwice",
  "AccountNotFound",
  "ProgramAccountNotFound",
  "InsufficientFundsForFee",
  "InvalidAccountForFee",
  "AlreadyProcessed",
  "BlockhashNotFound",
  "CallChainTooDeep",
  "MissingSignatureForFee",
  "InvalidAccountIndex",
  "SignatureFailure",
  "InvalidProgramForExecution",
  "SanitizeFailure",
  "ClusterMaintenance",
  "AccountBorrowOutstanding",
] as const;

const instructionErrors = [
  "GenericError",
  "InvalidArgument",
  "InvalidInstructionData",
  "InvalidAccountData",
  "AccountDataTooSmall",
  "InsufficientFunds",
  "IncorrectProgramId",
  "MissingRequiredSignature",
  "AccountAlreadyInitialized",
  "UninitializedAccount",
] as const;

/** An error of the SVM as JSON-RPC tells it: `"BlockhashNotFound"`, `{InstructionError: [2, {Custom: 1}]}`. */
export function transactionError(error: unknown): unknown {
  if (typeof error === "number") return transactionErrors[error] ?? `TransactionError${error}`;
  if (!hasMember(error, "index"))
    return hasMember(error, "accountIndex") ? { InsufficientFundsForRent: { account_index: error.accountIndex } } : String(error);
  const inner = hasMember(error, "err") && typeof error.err === "function" ? (error.err as () => unknown).call(error) : undefined;
  if (inner === undefined) return { DuplicateInstruction: error.index };
  return { InstructionError: [error.index, instructionError(inner)] };
}

function instructionError(inner: unknown): unknown {
  if (typeof inner === "number") return instructionErrors[inner] ?? `InstructionError${inner}`;
  return hasMember(inner, "code") ? { Custom: inner.code } : String(inner);
}

function hasMember<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === "object" && value !== null && name in value;
}
