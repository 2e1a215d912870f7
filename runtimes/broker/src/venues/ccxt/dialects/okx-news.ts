import { createHmac } from "node:crypto";
import { z } from "zod";
import type { NewsChannel } from "../news-stream.ts";
import type { NewsOptions } from "./dialect.ts";

const eventRow = z.looseObject({ event: z.string(), code: z.string().default("0") });
const newsRow = z.looseObject({
  arg: z.looseObject({ channel: z.literal("orders") }),
  data: z.array(z.looseObject({ clOrdId: z.string().default(""), algoClOrdId: z.string().default("") })),
});
const orders = JSON.stringify({ op: "subscribe", args: [{ channel: "orders", instType: "SPOT" }] });

/** The private channel: a login first, orders once it is taken. An order that a trigger has placed is told under the id of its legs, too. */
export function okxNews({ credentials, sandbox, baseUrl }: NewsOptions): NewsChannel {
  const host = sandbox ? "wss://wspap.okx.com:8443" : "wss://ws.okx.com:8443";
  return {
    url: `${baseUrl === undefined ? host : baseUrl.replace(/^http/, "ws").replace(/\/$/, "")}/ws/v5/private`,
    subscribe: (nowMs) => {
      const timestamp = String(Math.floor(nowMs / 1_000));
      const sign = createHmac("sha256", credentials.secret).update(`${timestamp}GET/users/self/verify`).digest("base64");
      return [
        JSON.stringify({
          op: "login",
          args: [{ apiKey: credentials.apiKey, passphrase: credentials.password ?? "", timestamp, sign }],
        }),
      ];
    },
    answer: (message) => {
      const read = eventRow.safeParse(json(message));
      return read.success && read.data.event === "login" && read.data.code === "0" ? [orders] : [];
    },
    idsIn: (message) => {
      const read = newsRow.safeParse(json(message));
      return read.success ? read.data.data.flatMap((row) => [row.clOrdId, row.algoClOrdId]).filter((id) => id !== "") : [];
    },
    // It closes a connection on which nothing was said for 30 s.
    keepAlive: { text: "ping", everyMs: 20_000 },
  };
}

/** `pong` is none. */
function json(message: string): unknown {
  return message.startsWith("{") ? JSON.parse(message) : undefined;
}
