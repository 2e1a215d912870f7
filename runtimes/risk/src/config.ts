import { z } from "zod";

const path = z.string().min(1).max(500);
const port = z.int().min(0).max(65_535);

/** The broker of one account of the policy. */
export const riskBrokerConfig = z.strictObject({
  /** `accounts[].name` of the RiskPolicy. */
  account: z.string().min(1).max(40),
  /** `http://<service>:8080` of the account's broker. */
  baseUrl: z.url().max(300),
  /** Projected token with the broker's audience; re-read when it changes. */
  tokenFile: path.default("/var/run/secrets/bellwether/broker.bellwether.dev/token"),
});

/**
 * What a risk pod runs with: one RiskPolicy, the brokers of its accounts, and where to find everything else.
 *
 * Limits and the trading state are deliberately not in it: risk watches its own RiskPolicy, so that a halt or a lower limit works
 * within a second, without a restart and with no operator alive.
 */
export const riskConfig = z
  .strictObject({
    policy: z.strictObject({
      uid: z.string().min(1).max(64),
      name: z.string().min(1).max(63),
      namespace: z.string().min(1).max(63),
    }),
    /** `system:serviceaccount:<namespace>:<name>` of the operator: may register strategies and read the portfolio. */
    operatorSubject: z.string().min(1).max(200),
    /** Subjects that may control the policy and read everything of it: people with a token for the ServiceAccount bellwether-cli, the console. */
    controllers: z.array(z.string().min(1).max(200)).max(16).default([]),
    /** Audience and issuer a caller's token must carry. */
    audience: z.string().min(1).max(200).default("risk.bellwether.dev"),
    issuer: z.string().min(1).max(300),
    jwksFile: path.default("/etc/bellwether/jwks.json"),
    /** A file with the DSN of the role `bellwether_risk`. */
    dsnFile: path.default("/var/run/secrets/bellwether/postgres/risk-dsn"),
    brokers: z.array(riskBrokerConfig).min(1).max(16),
    /** A file with the URL of a Slack-compatible webhook, read again at every post. It may be missing; absent: nobody is told by webhook. */
    webhookUrlFile: path.optional(),
    /** Ports that the pod's NetworkPolicy opens for it; absent: it has none that keeps any closed. */
    webhookPorts: z.array(port.min(1)).min(1).max(5).optional(),
    /** A file with `redis://…`: equity, P&L and positions go to a stream there, too. */
    redisUrlFile: path.optional(),
    /** Outside a cluster: a JSON file with the RiskPolicy object, read again when it changes. Absent: the API server is watched with the pod's own token. */
    policyFile: path.optional(),
    apiPort: port.default(8080),
    healthPort: port.default(9090),
    logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
    /** Fail points leave their marker here (kill tests only; `BELLWETHER_FAIL_POINT`). */
    failPointDirectory: path.optional(),
  })
  .refine((config) => new Set(config.brokers.map((broker) => broker.account)).size === config.brokers.length, {
    error: "an account may have one broker only",
    path: ["brokers"],
  });

export type RiskConfig = z.infer<typeof riskConfig>;
/** What the operator writes: fields with a default may be left out. */
export type RiskConfigInput = z.input<typeof riskConfig>;
export type RiskBrokerConfig = z.infer<typeof riskBrokerConfig>;

/** The configuration file of a risk pod as text; throws a ZodError when it would not be accepted. Key order is stable: equal input, equal bytes. */
export function renderRiskConfig(input: RiskConfigInput): string {
  return `${JSON.stringify(riskConfig.parse(input), null, 2)}\n`;
}

/** `<policy uid>/<account name>`: the key of everything the journal keeps about an account. */
export function accountUidOf(policyUid: string, account: string): string {
  return `${policyUid}/${account}`;
}
