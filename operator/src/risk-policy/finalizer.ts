/** The policy outlives its strategies: risk and brokers are needed to cancel their orders. */
export const STRATEGIES_FINALIZER = "bellwether.dev/policy-strategies";
