import { type Examples, manifestOf, withFields } from "./example.ts";

const minimal = { copies: [{ name: "disk", volume: { claimName: "checkpoints" } }] };
const full = {
  schedule: "0 * * * *",
  suspend: false,
  immediate: true,
  selector: {
    matchLabels: { "app.kubernetes.io/part-of": "demo", tier: "a" },
    matchExpressions: [
      { key: "bellwether.dev/mode", operator: "In", values: ["paper", "live"] },
      { key: "skip", operator: "DoesNotExist" },
    ],
  },
  include: ["Journal", "Positions", "Memory", "LlmCache", "Specs"],
  copies: [
    { name: "database", postgres: { dsnSecretRef: { name: "second", key: "dsn" } } },
    {
      name: "bucket",
      s3: {
        endpoint: "https://s3.example.com",
        bucket: "bellwether",
        prefix: "prod/a",
        region: "eu-central-1",
        credentialsSecretRef: { name: "s3" },
      },
    },
    { name: "disk", volume: { claimName: "checkpoints" } },
  ],
  minVerifiedCopies: 2,
  encryption: { keySecretRef: { name: "key", key: "aes" } },
  retention: { hourly: 24, daily: 7, weekly: 0 },
  trialRestore: { every: "168h" },
  recovery: { automatic: true, confidenceFactor: "0.5", cleanReconciliations: 3, deadline: "10m" },
};

const accepts = (name: string, changes: Record<string, unknown>, base: object = minimal) => ({
  name,
  manifest: manifestOf("Checkpoint", withFields(base as Record<string, unknown>, changes)),
});
interface Refusal {
  readonly field: string;
  readonly says?: string;
  readonly base?: object;
}
const rejects = (name: string, changes: Record<string, unknown>, { base = minimal, ...refusal }: Refusal) => ({
  ...accepts(name, changes, base),
  ...refusal,
});
const volumes = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `c${index}`, volume: { claimName: "v" } }));

export const checkpointExamples: Examples = {
  kind: "Checkpoint",
  accept: [
    accepts("the least that can be said", {}),
    accepts("every field", {}, full),
    accepts("by name of the hour", { schedule: "@hourly" }),
    accepts("five copies", { copies: volumes(5) }),
  ],
  reject: [
    {
      name: "a name of 41 characters",
      manifest: manifestOf("Checkpoint", minimal, "c".repeat(41)),
      field: "",
      says: "metadata.name must be at most 40",
    },
    rejects("no copy", { copies: [] }, { field: "copies" }),
    rejects("copies left out", { copies: undefined }, { field: "copies" }),
    rejects("six copies", { copies: volumes(6) }, { field: "copies" }),
    rejects("two copies of one name", { copies: [minimal.copies[0], minimal.copies[0]] }, { field: "copies" }),
    rejects(
      "a copy nowhere",
      { copies: [{ name: "x" }] },
      { field: "copies[0]", says: "exactly one of postgres, s3, volume must be set" },
    ),
    rejects(
      "a copy in two places",
      { "copies[0].postgres": { dsnSecretRef: { name: "a", key: "b" } } },
      { field: "copies[0]", says: "exactly one of postgres, s3, volume must be set" },
    ),
    rejects(
      "more verified copies than copies",
      { minVerifiedCopies: 2 },
      { field: "minVerifiedCopies", says: "minVerifiedCopies must be at most the number of copies" },
    ),
    rejects(
      "no verified copy",
      { minVerifiedCopies: 0 },
      { field: "minVerifiedCopies", says: "must be a whole number between 1 and 5" },
    ),
    rejects(
      "an impossible hour",
      { schedule: "0 24 * * *" },
      { field: "schedule", says: "must be a cron expression of five fields" },
    ),
    rejects("an unknown part", { include: ["Journal", "Dreams"] }, { field: "include" }),
    rejects("a part twice", { include: ["Journal", "Journal"] }, { field: "include" }),
    rejects(
      "a bucket in capitals",
      { copies: [{ name: "b", s3: { bucket: "Bellwether", credentialsSecretRef: { name: "s" } } }] },
      { field: "bucket", says: "must be a bucket name" },
    ),
    rejects(
      "In without values",
      { selector: { matchExpressions: [{ key: "a", operator: "In" }] } },
      { field: "values", says: "values must be set for In and NotIn" },
    ),
    rejects(
      "Exists with values",
      { selector: { matchExpressions: [{ key: "a", operator: "Exists", values: ["x"] }] } },
      { field: "values", says: "values must be set for In and NotIn" },
    ),
    rejects(
      "a label value with a blank",
      { selector: { matchLabels: { a: "b c" } } },
      { field: "matchLabels", says: "must be a label value" },
    ),
    rejects(
      "a label key with a blank",
      { selector: { matchLabels: { "a b": "c" } } },
      { field: "matchLabels", says: "must be a label key" },
    ),
    rejects(
      "a trial every minute",
      { trialRestore: { every: "1m" } },
      { field: "every", says: "must be a duration between 1h and 8760h" },
    ),
    rejects(
      "full confidence and more",
      { recovery: { confidenceFactor: "1.5" } },
      { field: "confidenceFactor", says: "must be a decimal number as text" },
    ),
    rejects("a restore by field", { restore: "latest" }, { field: "restore" }),
    rejects(
      "negative retention",
      { retention: { hourly: -1 } },
      { field: "hourly", says: "must be a whole number between 0 and 1000" },
    ),
  ],
};
