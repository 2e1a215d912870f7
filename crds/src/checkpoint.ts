import { z } from "zod";
import type { CustomResource, ResourceNames } from "./custom-resource.ts";
import { conditions, statusNumber, statusText, statusTime } from "./schema/condition.ts";
import { secretKeyReference, secretReference } from "./schema/references.ts";
import { exactlyOneOf, withRules } from "./schema/rule.ts";
import {
  cron,
  dnsLabel,
  duration,
  listAtomic,
  listMap,
  listSet,
  map,
  objectName,
  ratio,
  text,
  url,
  wholeNumber,
} from "./schema/scalars.ts";

export const CHECKPOINT: ResourceNames<"Checkpoint"> = {
  kind: "Checkpoint",
  plural: "checkpoints",
  singular: "checkpoint",
  shortNames: ["ckpt"],
};

const labelKey = {
  pattern: /^([a-z0-9]([-.a-z0-9]*[a-z0-9])?\/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/,
  max: 317,
  message: "must be a label key, such as app.kubernetes.io/name",
};
const labelValue = text({
  pattern: /^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/,
  max: 63,
  message: "must be a label value of at most 63 letters, digits, '-', '_' and '.'",
});

const requirement = withRules(
  z.strictObject({
    key: text(labelKey).describe("Label key."),
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]).describe("How the label is compared."),
    values: listAtomic(labelValue, 32).optional().describe("Values for In and NotIn."),
  }),
  [
    {
      check: (value) => ["In", "NotIn"].includes(value.operator) === (value.values ?? []).length > 0,
      cel: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message: "values must be set for In and NotIn, and only for them",
      member: "values",
    },
  ],
);

const selector = z.strictObject({
  matchLabels: map(labelKey, labelValue, 32).optional().describe("Labels that must be there with these values."),
  matchExpressions: listAtomic(requirement, 32).optional().describe("Requirements on labels."),
});

const copy = exactlyOneOf(
  z.strictObject({
    name: dnsLabel(40).describe("Name of the copy."),
    postgres: z
      .strictObject({
        dsnSecretRef: secretKeyReference.describe("Connection string of a Postgres server other than the source."),
      })
      .optional()
      .describe("A table in another Postgres."),
    s3: z
      .strictObject({
        endpoint: url.optional().describe("Address of an S3-compatible server. Default: AWS."),
        bucket: text({
          pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
          max: 63,
          message: "must be a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens",
        }).describe("Bucket."),
        prefix: text({
          pattern: /^[A-Za-z0-9!_.*()/-]+$/,
          max: 200,
          message: "must be a prefix of object keys, such as bellwether/prod",
        })
          .optional()
          .describe("Put before every object key."),
        region: text({ pattern: /^[a-z0-9-]+$/, max: 40, message: "must be a region, such as eu-central-1" })
          .optional()
          .describe("Region. Default us-east-1."),
        credentialsSecretRef: secretReference.describe("Secret with the keys `accessKeyId` and `secretAccessKey`."),
      })
      .optional()
      .describe("A bucket."),
    volume: z
      .strictObject({ claimName: objectName.describe("PersistentVolumeClaim.") })
      .optional()
      .describe("A volume."),
  }),
  ["postgres", "s3", "volume"],
);

export const CHECKPOINT_PARTS = ["Journal", "Positions", "Memory", "LlmCache", "Specs"] as const;

export const checkpointSpec = withRules(
  z.strictObject({
    schedule: cron.optional().describe("When snapshots are taken (UTC). Default: every hour."),
    suspend: z.boolean().optional().describe("true: no new snapshots."),
    immediate: z.boolean().optional().describe("true: take one at once, too."),
    selector: selector.optional().describe("Which strategies and policies. Default: all in the namespace."),
    include: listSet(z.enum(CHECKPOINT_PARTS), 5).min(1).optional().describe("What is saved. Default: everything."),
    copies: listMap(copy, ["name"], 5).min(1).describe("Where it is saved, 1 to 5 places."),
    minVerifiedCopies: wholeNumber(1, 5)
      .optional()
      .describe(
        "How many copies must be read back and match before a snapshot counts. Default: the smaller of 2 and the number of copies.",
      ),
    encryption: z
      .strictObject({ keySecretRef: secretKeyReference.describe("The key: 32 bytes in base64.") })
      .optional()
      .describe("AES-256-GCM before anything leaves."),
    retention: z
      .strictObject({
        hourly: wholeNumber(0, 1000).optional().describe("Hourly snapshots kept. Default 24."),
        daily: wholeNumber(0, 1000).optional().describe("Daily snapshots kept. Default 7."),
        weekly: wholeNumber(0, 1000).optional().describe("Weekly snapshots kept. Default 4."),
      })
      .optional()
      .describe("What is kept: grandfather, father, son."),
    trialRestore: z
      .strictObject({ every: duration("1h", "8760h").optional().describe("How often. Default 24h.") })
      .optional()
      .describe("A restore into a scratch database that must pass validation."),
    recovery: z
      .strictObject({
        automatic: z.boolean().optional().describe("true: recover without being asked when the journal is lost. Default false."),
        confidenceFactor: ratio.optional().describe('Size of entries after a recovery, as a part of the usual. Default "0.5".'),
        cleanReconciliations: wholeNumber(1, 100)
          .optional()
          .describe("Clean reconciliations with the venue before full size returns. Default 3."),
        deadline: duration("1s", "24h").optional().describe("How long a recovery may take. Default 10m."),
      })
      .optional()
      .describe("How trading goes on after a loss."),
  }),
  [
    {
      check: (spec) => spec.minVerifiedCopies === undefined || spec.minVerifiedCopies <= spec.copies.length,
      cel: "!has(self.minVerifiedCopies) || self.minVerifiedCopies <= self.copies.size()",
      message: "minVerifiedCopies must be at most the number of copies",
      member: "minVerifiedCopies",
    },
  ],
);
export type CheckpointSpec = z.infer<typeof checkpointSpec>;

const snapshot = z.strictObject({
  id: statusText(64).describe("Name of the snapshot."),
  time: statusTime().describe("When it was taken."),
  bytes: statusNumber().optional().describe("Its size."),
  sha256: statusText(64).optional().describe("Digest of its content."),
  verifiedCopies: statusNumber().optional().describe("Copies read back and found equal."),
});

export const checkpointStatus = z.strictObject({
  observedGeneration: statusNumber().optional().describe("The generation of the spec that this status speaks of."),
  conditions: conditions.optional(),
  schedule: statusText(100).optional().describe("Effective schedule."),
  snapshots: z
    .array(snapshot)
    .max(100)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe("The latest snapshots, newest first."),
  lastSnapshot: snapshot.optional().describe("The latest snapshot that counts."),
  nextScheduleTime: statusTime().optional().describe("When the next one is due."),
  copies: z
    .array(
      z.strictObject({
        name: statusText(40).describe("Name of the copy."),
        state: z
          .enum(["Pending", "Written", "Verified", "Failed", "Unreachable"])
          .describe("State of the latest snapshot there."),
        message: statusText(500).optional().describe("What is wrong, in a sentence."),
        lastVerifiedTime: statusTime().optional().describe("When it was last read back and found equal."),
      }),
    )
    .max(5)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe("Copies."),
  copiesReady: statusText(20).optional().describe("Copies reachable, of how many, such as 3/3, ready to print."),
  copiesVerified: statusText(20).optional().describe("Copies verified, of how many are wanted, such as 2/2, ready to print."),
  recovery: z
    .strictObject({
      phase: z.enum(["Idle", "Holding", "Restoring", "Reconciling", "Confident", "Failed"]).describe("Where the recovery is."),
      startedAt: statusTime().optional().describe("When it began."),
      phases: z
        .array(
          z.strictObject({
            name: statusText(40).describe("Phase."),
            startedAt: statusTime().describe("Begin."),
            endedAt: statusTime().optional().describe("End."),
          }),
        )
        .max(10)
        .meta({ "x-kubernetes-list-type": "atomic" })
        .optional()
        .describe("What it went through."),
      confidence: statusText().optional().describe("Size of entries now, as a part of the usual."),
    })
    .optional()
    .describe("Recovery."),
});
export type CheckpointStatus = z.infer<typeof checkpointStatus>;

export type Checkpoint = CustomResource<"Checkpoint", CheckpointSpec, CheckpointStatus>;
