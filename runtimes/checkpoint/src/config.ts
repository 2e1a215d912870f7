import { z } from "zod";
import { sourceNames } from "./source.ts";

const file = z.string().min(1).max(4_096);
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/);
const count = z.number().int().min(0).max(1_000);

const copy = z.union([
  z.strictObject({
    name,
    /** Where the volume is mounted. */
    volume: z.strictObject({ path: file }),
  }),
  z.strictObject({
    name,
    s3: z.strictObject({
      /** Default: AWS in that region. */
      endpoint: z.url({ protocol: /^https?$/ }).optional(),
      bucket: z.string().min(3).max(63),
      /** Each Checkpoint has one of its own: what is under it is pruned by one retention. */
      prefix: z.string().max(200).default(""),
      region: z.string().min(1).max(40).default("us-east-1"),
      /** Holds the files `accessKeyId` and `secretAccessKey`. */
      credentialsDir: file,
    }),
  }),
  z.strictObject({
    name,
    /** A server other than the source; a role that may create a schema, or that owns `bellwether_checkpoint`. */
    postgres: z.strictObject({ dsnFile: file }),
  }),
]);

/** What the operator renders for every job of one Checkpoint. */
export const checkpointConfig = z
  .strictObject({
    checkpoint: z.strictObject({
      namespace: z.string().min(1).max(63),
      name: z.string().min(1).max(63),
      uid: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
    }),
    copies: z.array(copy).min(1).max(5),
    minVerifiedCopies: z.number().int().min(1).max(5),
    encryption: z
      .strictObject({
        /** 32 bytes in base64. */
        keyFile: file,
        /** Of snapshots taken before the key was changed. */
        previousKeyFiles: z.array(file).max(10).default([]),
        /** For the time after encryption was turned on: also read what was stored without. */
        acceptUnencrypted: z.boolean().default(false),
      })
      .optional(),
    include: z
      .array(z.enum(sourceNames))
      .min(1)
      .default([...sourceNames]),
    retention: z.strictObject({ hourly: count.default(24), daily: count.default(7), weekly: count.default(4) }),
    /** Chunks younger than this are never collected, milliseconds: more than a snapshot may take. */
    graceMs: z
      .number()
      .int()
      .min(2 * 3_600_000)
      .default(3 * 3_600_000),
    /** In how many days everything is read back once. */
    verifyCycleDays: z.number().int().min(1).max(31).default(30),
    /** The database that services use. */
    database: z.strictObject({ dsnFile: file }).optional(),
    /** Between two shippings of the journal, milliseconds. */
    shipEveryMs: z.number().int().min(100).max(60_000).default(2_000),
    /** The API server that the custom resources' specs are read from; its certificate authority comes by NODE_EXTRA_CA_CERTS. */
    kubernetes: z.strictObject({ url: z.url({ protocol: /^https?$/ }), tokenFile: file }).optional(),
    /** Where the result is written besides standard output: a container's termination message, 4 KiB at most. */
    terminationFile: file.optional(),
    healthPort: z.number().int().min(0).max(65_535).default(9090),
    logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  })
  .refine(({ copies, minVerifiedCopies }) => minVerifiedCopies <= copies.length, {
    path: ["minVerifiedCopies"],
    message: "must be at most the number of copies",
  })
  .refine(({ copies }) => new Set(copies.map((each) => each.name)).size === copies.length, {
    path: ["copies"],
    message: "must have names of their own",
  });

export type CheckpointConfig = z.infer<typeof checkpointConfig>;
export type CopyConfig = CheckpointConfig["copies"][number];
