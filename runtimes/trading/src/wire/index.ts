/**
 * What travels between agent, risk, broker and operator: HTTP bodies and server-sent events, once, in zod.
 *
 * Units: money, prices and quantities are decimal strings (at most 18 fractional digits, scale of the order path);
 * `…Time` and `…At` are epoch milliseconds. Two clocks exist: *market time* (bar times, decisions, validity; it runs
 * faster than the wall in an accelerated replay) and *wall time* (approvals, leases). A field says which it is.
 */
export * from "./decimal-string.ts";
export * from "./market-data.ts";
export * from "./evidence.ts";
export * from "./intents.ts";
export * from "./orders.ts";
export * from "./approval.ts";
export * from "./void.ts";
export * from "./views.ts";
export * from "./control.ts";
export * from "./alerts.ts";
