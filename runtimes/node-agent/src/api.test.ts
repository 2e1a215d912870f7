import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Dependency, TokenVerifier, silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApi } from "./api.ts";
import { nodeAgentAudience, nodeCpus } from "./config.ts";
import { PodResources } from "./pod-resources.ts";

const operatorSubject = "system:serviceaccount:bellwether:bellwether-operator";
const directory = mkdtempSync(path.join(tmpdir(), "node-agent-"));
const socket = path.join(directory, "kubelet.sock");
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The encoding of a length-delimited field. */
const field = (number: number, value: string | Buffer | number[]): Buffer => {
  const bytes = Buffer.from(value as Buffer);
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
};
const pod = (name: string, cpus: number[]): Buffer =>
  field(
    1,
    Buffer.concat([
      field(1, name),
      field(2, "bellwether"),
      field(3, Buffer.concat([field(1, "agent"), ...(cpus.length > 0 ? [field(3, cpus)] : [])])),
    ]),
  );

/** A kubelet with behaviour: the same service name, methods and bytes as the real one. */
class FakeKubelet {
  readonly #server = new Server();
  pool: number[] = [1, 2, 3];
  pods: Buffer[] = [pod("strat-a-agent", [2, 3]), pod("postgres-0", [])];

  constructor() {
    const method = (name: string) => ({
      path: `/v1.PodResourcesLister/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Buffer) => value,
      requestDeserialize: (value: Buffer) => value,
      responseSerialize: (value: Buffer) => value,
      responseDeserialize: (value: Buffer) => value,
    });
    this.#server.addService(
      { List: method("List"), GetAllocatableResources: method("GetAllocatableResources") },
      {
        List: (_call: unknown, reply: (error: null, value: Buffer) => void) => reply(null, Buffer.concat(this.pods)),
        GetAllocatableResources: (_call: unknown, reply: (error: null, value: Buffer) => void) =>
          reply(null, this.pool.length === 0 ? Buffer.alloc(0) : field(2, this.pool)),
      },
    );
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

function token(subject: string, audience = nodeAgentAudience): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nowS = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "RS256", kid: "k" })}.${part({ iss: "https://issuer", aud: [audience], sub: subject, exp: nowS + 600 })}`;
  return `${text}.${sign("sha256", Buffer.from(text), keys.privateKey).toString("base64url")}`;
}

const kubelet = new FakeKubelet();
const podResources = new PodResources({ socket, timeoutMs: 2_000 });
const jwksFile = path.join(directory, "jwks.json");
writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: "jwk" }), kid: "k" }] }));
const api = createApi({
  node: "droplet",
  operatorSubject,
  podResources,
  verifier: new TokenVerifier({ jwksFile, issuer: "https://issuer", audience: nodeAgentAudience, clock: systemClock }),
  kubelet: new Dependency("kubelet", () => 0),
  log: silentLogger,
});
const get = (bearer: string) => api.inject({ method: "GET", url: "/v1/cpus", headers: { authorization: `Bearer ${bearer}` } });

beforeAll(() => kubelet.start());
afterAll(async () => {
  podResources.close();
  kubelet.stop();
  await api.close();
  rmSync(directory, { recursive: true });
});

describe("GET /v1/cpus", () => {
  test("tells the operator what the kubelet says, pods without own CPUs left out", async () => {
    const reply = await get(token(operatorSubject));
    expect(reply.statusCode).toBe(200);
    expect(nodeCpus.parse(reply.json())).toEqual({
      node: "droplet",
      policy: "static",
      exclusivePool: "1-3",
      exclusivePoolCores: 3,
      pods: [{ namespace: "bellwether", name: "strat-a-agent", containers: [{ name: "agent", cpus: "2-3" }] }],
    });
  });

  test("says that a kubelet without a pool pins nothing", async () => {
    kubelet.pool = [];
    expect((await get(token(operatorSubject))).json()).toMatchObject({
      policy: "none",
      exclusivePool: "",
      exclusivePoolCores: 0,
    });
    kubelet.pool = [1, 2, 3];
  });

  test.each([
    { when: "the caller is somebody else", bearer: () => token("system:serviceaccount:bellwether:strat-a-agent"), then: 403 },
    { when: "the token is for another service", bearer: () => token(operatorSubject, "risk.bellwether.dev"), then: 401 },
    { when: "there is no token", bearer: () => "", then: 401 },
  ])("answers $then when $when", async ({ bearer, then }) => {
    expect((await get(bearer())).statusCode).toBe(then);
  });

  test("answers 502 when the kubelet's answer is not a PodResources message", async () => {
    kubelet.pods = [Buffer.from([0x0a, 0x7f])];
    expect([502, 503]).toContain((await get(token(operatorSubject))).statusCode);
    kubelet.pods = [];
  });

  test("answers 503 while the kubelet is away", async () => {
    kubelet.stop();
    expect((await get(token(operatorSubject))).statusCode).toBe(503);
  });
});
