import { formatDecimal, parseDecimal } from "../decimal.ts";
import { TradingError } from "../trading-error.ts";
import { finalOrder, type FinalOrder } from "../wire/orders.ts";

const HEADER = "bellwether-order/1";

/** The order of the lines is part of the format. Decimals are canonical, so that one order has exactly one text. */
const fields = [
  ["account", "text"],
  ["clientOrderId", "text"],
  ["intentId", "text"],
  ["attempt", "integer"],
  ["market", "text"],
  ["side", "text"],
  ["type", "text"],
  ["quantity", "decimal"],
  ["limit", "decimal"],
  ["timeInForce", "text"],
  ["stopLoss", "decimal"],
  ["takeProfit", "decimal"],
  ["maxCost", "decimal"],
  ["reduceOnly", "boolean"],
  ["decisionTime", "integer"],
  ["expiresAt", "integer"],
] as const satisfies readonly (readonly [keyof FinalOrder, "text" | "integer" | "decimal" | "boolean"])[];

/**
 * The one text of an order: what risk signs and the broker parses. A header line, then `name=value` lines in a fixed order,
 * each ended by a line feed; absent members have no line. Throws ORDER_TEXT_INVALID when a text member holds a control character.
 */
export function canonicalOrder(order: FinalOrder): string {
  let text = `${HEADER}\n`;
  for (const [name, kind] of fields) {
    const value = order[name];
    if (value === undefined) continue;
    const written = kind === "decimal" ? formatDecimal(parseDecimal(String(value))) : String(value);
    if (hasControlCharacter(written)) {
      throw new TradingError("ORDER_TEXT_INVALID", `${name} of an order holds a control character`, { context: { name } });
    }
    text += `${name}=${written}\n`;
  }
  return text;
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) < 0x20) return true;
  return false;
}

/**
 * The order a canonical text stands for. Strict: unknown, repeated, missing or reordered lines, and numbers written in any
 * other way than canonicalOrder does, are refused with ORDER_TEXT_INVALID. What was signed is what is read, to the byte.
 */
export function parseCanonicalOrder(text: string): FinalOrder {
  const order = finalOrder.safeParse(readMembers(text));
  if (!order.success) {
    throw new TradingError("ORDER_TEXT_INVALID", "an order text does not hold a valid order", {
      context: { issues: order.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`) },
    });
  }
  if (canonicalOrder(order.data) !== text) {
    throw new TradingError("ORDER_TEXT_INVALID", "an order text is not in canonical form", { context: { text } });
  }
  return order.data;
}

function readMembers(text: string): Record<string, unknown> {
  const [header, ...lines] = text.split("\n");
  if (header !== HEADER) {
    throw new TradingError("ORDER_TEXT_INVALID", `an order text must begin with ${HEADER}`, {
      context: { header: header ?? "" },
    });
  }
  const kinds = new Map<string, string>(fields);
  const members: Record<string, unknown> = {};
  for (const line of lines) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, equals);
    const kind = kinds.get(name);
    if (equals <= 0 || kind === undefined || Object.hasOwn(members, name)) {
      throw new TradingError("ORDER_TEXT_INVALID", `an order text has the unexpected line ${JSON.stringify(line)}`, {
        context: { line },
      });
    }
    members[name] = readValue(line.slice(equals + 1), kind);
  }
  return members;
}

function readValue(text: string, kind: string): unknown {
  if (kind === "integer") return /^\d{1,16}$/.test(text) ? Number(text) : text;
  if (kind === "boolean") return text === "true" ? true : text === "false" ? false : text;
  return text;
}
