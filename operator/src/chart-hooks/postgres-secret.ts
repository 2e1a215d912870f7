import { type KubernetesClient, type KubernetesObject, defineResource, isKubernetesError } from "@bellwether/kubernetes";

interface Secret extends KubernetesObject {
  readonly type: string;
  readonly stringData: Readonly<Record<string, string>>;
}

const secrets = defineResource<Secret>({ group: "", version: "v1", plural: "secrets", kind: "Secret", namespaced: true });

export interface SecretOptions {
  readonly namespace: string;
  readonly name: string;
  /** A fresh secret text, at least 128 bits, of characters that need no escape in an address. */
  readonly password: () => string;
}

/** The Secret with the passwords of the chart's Postgres: superuser, and one role each for risk and broker. */
export function postgresSecret({ namespace, name, password }: SecretOptions): Secret {
  const dsn = (role: string): string => `postgres://${role}:${password()}@postgres.${namespace}.svc:5432/bellwether`;
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "Opaque",
    metadata: { name, namespace, labels: { "app.kubernetes.io/name": "bellwether", "app.kubernetes.io/part-of": "bellwether" } },
    stringData: { password: password(), "risk-dsn": dsn("bellwether_risk"), "broker-dsn": dsn("bellwether_broker") },
  };
}

/**
 * Creates the Secret unless one of that name is there. Never changes one: the passwords are in the database's volume, too.
 * Runs with the right to create Secrets and none to read them.
 *
 * @returns whether it was created
 */
export async function createPostgresSecret(client: Pick<KubernetesClient, "create">, options: SecretOptions): Promise<boolean> {
  try {
    await client.create(secrets, postgresSecret(options));
    return true;
  } catch (error) {
    if (isKubernetesError(error, "ALREADY_EXISTS")) return false;
    throw error;
  }
}
