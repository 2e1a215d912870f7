import { type KubernetesClient, KubernetesError } from "@bellwether/kubernetes";
import { describe, expect, test } from "vitest";
import { createSecret, postgresSecret, valkeySecret } from "./secrets.ts";

function options() {
  let count = 0;
  return { namespace: "bellwether", name: "bellwether-postgres", password: () => `password${++count}` };
}

describe("the Secret of the chart's own servers", () => {
  test("gives superuser and roles a password each, within connection strings that name the Service in full", () => {
    const { stringData } = postgresSecret(options());
    expect(stringData).toEqual({
      password: expect.stringMatching(/^password\d$/) as string,
      "risk-dsn": expect.stringMatching(
        /^postgres:\/\/bellwether_risk:password\d@postgres\.bellwether\.svc:5432\/bellwether$/,
      ) as string,
      "broker-dsn": expect.stringMatching(
        /^postgres:\/\/bellwether_broker:password\d@postgres\.bellwether\.svc:5432\/bellwether$/,
      ) as string,
      "gateway-dsn": expect.stringMatching(
        /^postgres:\/\/bellwether_gateway:password\d@postgres\.bellwether\.svc:5432\/bellwether$/,
      ) as string,
    });
    expect(new Set(Object.values(stringData).map((text) => /password\d/.exec(text)?.[0])).size).toBe(4);
  });

  test("of Valkey gives server and clients the same password", () => {
    expect(valkeySecret(options()).stringData).toEqual({
      url: "redis://default:password1@valkey.bellwether.svc:6379",
      "valkey.conf": "requirepass password1\n",
    });
  });

  test("is created when it is not there", async () => {
    const created: unknown[] = [];
    const client = {
      create: async (_resource: unknown, object: unknown) => void created.push(object),
    } as unknown as KubernetesClient;
    expect(await createSecret(client, postgresSecret(options()))).toBe(true);
    expect(created).toHaveLength(1);
  });

  test("is left as it is when it is there", async () => {
    const client = {
      create: () => Promise.reject(new KubernetesError("ALREADY_EXISTS", "there")),
    } as unknown as KubernetesClient;
    expect(await createSecret(client, postgresSecret(options()))).toBe(false);
  });

  test("does not hide any other refusal", async () => {
    const client = { create: () => Promise.reject(new KubernetesError("FORBIDDEN", "no")) } as unknown as KubernetesClient;
    await expect(createSecret(client, postgresSecret(options()))).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});
