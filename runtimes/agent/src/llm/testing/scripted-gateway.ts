import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { opinion } from "./scripted-models.ts";

/** A gateway of its own port that buys once and sells once, by way of OpenAI's completions. */
export async function scriptedGateway(): Promise<{ url: string; asked: () => number; close: () => Promise<void> }> {
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      asked++;
      const content = opinion(asked === 3 ? "buy" : asked === 9 ? "sell" : "hold");
      response.writeHead(200, { "content-type": "application/json", "x-bellwether-cache": "miss" });
      response.end(JSON.stringify({ model: "small", choices: [{ message: { content } }] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked, close };
}
