import { parseArgs } from "node:util";
import { OpenAiStandIn } from "./openai-stand-in.ts";

// A hosted LLM on loopback, as a process: `node test/venues/llm/main.ts --port 8900 [--key sk-…]`. Models named `<anything>:<behaviour>` behave so (behaviours.ts).
const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, host: { type: "string", default: "127.0.0.1" }, key: { type: "string" } },
});
const standIn = new OpenAiStandIn(values.key === undefined ? {} : { key: values.key });
process.stdout.write(`${JSON.stringify({ baseUrl: await standIn.start(Number(values.port), values.host) })}\n`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void standIn.stop().then(() => process.exit(0)));
