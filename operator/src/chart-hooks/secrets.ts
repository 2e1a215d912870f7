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

const labels = { "app.kubernetes.io/name": "bellwether", "app.kubernetes.io/part-of": "bellwether" };

function secretOf({ namespace, name }: SecretOptions, stringData: Secret["stringData"]): Secret {
  return { apiVersion: "v1", kind: "Secret", type: "Opaque", metadata: { name, namespace, labels }, stringData };
}

/** The Secret with the passwords of the chart's Postgres: superuser, and one role each for risk, brokers and gateways. */
export function postgresSecret(options: SecretOptions): Secret {
  const { namespace, password } = options;
  const dsn = (role: string): string => `postgres://${role}:${password()}@postgres.${namespace}.svc:5432/bellwether`;
  return secretOf(options, {
    password: password(),
    "risk-dsn": dsn("bellwether_risk"),
    "broker-dsn": dsn("bellwether_broker"),
    "gateway-dsn": dsn("bellwether_gateway"),
  });
}

/** The Secret with the password of the chart's Valkey, once for the server and once for its clients. */
export function valkeySecret(options: SecretOptions): Secret {
  const password = options.password();
  const url = `redis://default:${password}@valkey.${options.namespace}.svc:6379`;
  return secretOf(options, { url, "valkey.conf": `requirepass ${password}\n` });
}

/**
 * Creates the Secret unless one of that name is there. Never changes one: a password is in the database's volume, too.
 * Runs with the right to create Secrets and none to read them.
 *
 * @returns whether it was created
 */
export async function createSecret(client: Pick<KubernetesClient, "create">, secret: Secret): Promise<boolean> {
  try {
    await client.create(secrets, secret);
    return true;
  } catch (error) {
    if (isKubernetesError(error, "ALREADY_EXISTS")) return false;
    throw error;
  }
}
