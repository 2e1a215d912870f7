import type { AddressInfo } from "node:net";
import { CodedError, ServiceClient, createApiServer, silentLogger, systemClock } from "@bellwether/service-kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PluginError } from "../errors.ts";
import { intentId, intentObject } from "../testing/wire-objects.ts";
import { HttpRisk } from "./http-risk.ts";
import { openTunnel } from "./tunnel.ts";

let server: ReturnType<typeof createApiServer>;
let answer: (path: string) => unknown;
let risk: HttpRisk;
let wayFault: string | undefined;

beforeEach(async () => {
  wayFault = undefined;
  const statusOf = {
    DRIFT_CHANGED: 409,
    NOT_DRIFTING: 409,
    INTENT_UNKNOWN: 404,
    BREAKER_UNKNOWN: 404,
    ACCOUNT_UNKNOWN: 404,
    JOURNAL_UNAVAILABLE: 503,
  };
  server = createApiServer({ log: silentLogger, statusOf });
  server.all("/v1/*", async (request) => answer(decodeURIComponent(request.url)));
  await server.listen({ port: 0, host: "127.0.0.1" });
  const { port } = server.server.address() as AddressInfo;
  const client = new ServiceClient({ baseUrl: `http://127.0.0.1:${port}`, clock: systemClock });
  risk = new HttpRisk({ client, policy: "demo", wayFault: () => wayFault, close: () => client.close() });
});
afterEach(async () => {
  await risk.close();
  await server.close();
});

const refuseWith = (code: string): void => {
  answer = () => {
    throw new CodedError(code, "because of 7");
  };
};

describe("risk over HTTP", () => {
  test.each([
    { code: "INTENT_UNKNOWN", becomes: "INTENT_NOT_FOUND" },
    { code: "BREAKER_UNKNOWN", becomes: "BREAKER_NOT_FOUND" },
    { code: "ACCOUNT_UNKNOWN", becomes: "ACCOUNT_NOT_FOUND" },
    { code: "DRIFT_CHANGED", becomes: "CHANGED_MEANWHILE" },
    { code: "NOT_DRIFTING", becomes: "RISK_REFUSED" },
    { code: "JOURNAL_UNAVAILABLE", becomes: "RISK_REFUSED" },
    { code: "UNAUTHENTICATED", becomes: "FORBIDDEN" },
    { code: "FORBIDDEN", becomes: "FORBIDDEN" },
  ])("$code is $becomes, with risk's own words", async ({ code, becomes }) => {
    refuseWith(code);
    await expect(risk.resume({ who: "ada", reason: "x" })).rejects.toMatchObject({
      code: becomes,
      message: expect.stringContaining("because of 7") as string,
    });
  });

  test("a route that is not there is another version's, and says so", async () => {
    refuseWith("NOT_FOUND");
    const error = await risk.portfolio().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "RISK_REFUSED" });
    expect((error as PluginError).next).toContain("another version");
  });

  test("an intent id reaches risk whole, slashes and all", async () => {
    answer = (path) => (path === `/v1/intents/${intentId}` ? intentObject() : undefined);
    expect(await risk.intent(intentId)).toMatchObject({ intentId });
  });

  test("an answer that is none of risk's is no answer", async () => {
    answer = () => ({ something: "else" });
    await expect(risk.portfolio()).rejects.toMatchObject({ code: "RISK_UNREACHABLE" });
  });

  test("no answer is told with what the way to risk knows of it", async () => {
    await server.close();
    wayFault = "the kubelet says: connection refused";
    await expect(risk.portfolio()).rejects.toMatchObject({
      code: "RISK_UNREACHABLE",
      message: expect.stringContaining("the kubelet says") as string,
    });
  });
});

describe("the tunnel", () => {
  test("keeps the fault of a refused forward for the message", async () => {
    const tunnel = await openTunnel(async () => {
      throw new Error("Unexpected server response: 403");
    });
    const client = new ServiceClient({ baseUrl: tunnel.baseUrl, clock: systemClock });
    const through = new HttpRisk({ client, policy: "demo", wayFault: () => tunnel.fault(), close: () => client.close() });
    await expect(through.portfolio()).rejects.toMatchObject({
      message: expect.stringContaining("port-forward was refused: Unexpected server response: 403") as string,
    });
    await through.close();
    await tunnel.close();
  });
});
