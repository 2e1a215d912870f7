// Solana on loopback, as a process: `node test/venues/solana/main.ts --port 8899 --slot-ms 400`. Everything else goes through /admin (stand-in.ts says what).
import { parseArgs } from "node:util";
import { SolanaStandIn } from "./stand-in.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8899" },
    host: { type: "string", default: "127.0.0.1" },
    "slot-ms": { type: "string", default: "400" },
    name: { type: "string", default: "local" },
    endpoints: { type: "string", default: "a,b" },
  },
});

const standIn = await SolanaStandIn.start({
  now: () => Date.now(),
  port: Number(values.port),
  host: values.host,
  name: values.name,
  endpoints: values.endpoints.split(","),
});
standIn.run(Number(values["slot-ms"]));
const { genesisHash } = standIn.chain;
console.log(
  JSON.stringify({
    origin: standIn.origin,
    genesisHash,
    usdc: standIn.usdc.mint,
    rpcUrls: [...standIn.endpoints.keys()].map((name) => standIn.rpcUrl(name)),
  }),
);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void standIn.stop().then(() => process.exit(0)));
