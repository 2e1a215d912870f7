/** Working orders are cancelled before the object may go. */
export const ORDERS_FINALIZER = "bellwether.dev/strategy-orders";
