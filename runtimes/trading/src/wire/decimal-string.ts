import { z } from "zod";

/** A decimal number as text: up to 24 digits before the point and 18 behind it, no exponent. */
export const decimalString = z
  .string()
  .max(44)
  .regex(/^-?\d{1,24}(\.\d{1,18})?$/, "must be a decimal number such as 0.25, without exponent and with at most 18 decimals");

export const positiveDecimalString = decimalString.refine(
  (text) => /[1-9]/.test(text) && !text.startsWith("-"),
  "must be greater than 0",
);

/** Epoch milliseconds. */
export const instantMs = z.int().nonnegative();

export const symbol = z.string().min(1).max(100);
export const uid = z.string().min(1).max(64);
