import { z } from "zod";
import { dataKey, dnsLabel, objectName } from "./scalars.ts";

/** Most characters of an object's name of ours: children add a prefix and a suffix and must stay below 63. */
export const MAX_NAME_LENGTH = 40;

/** The name of one of our own objects. */
export const ownName = dnsLabel(MAX_NAME_LENGTH);

export const ownReference = z.strictObject({ name: ownName.describe("Name of the object, in the same namespace.") });

export const configMapKeyReference = z.strictObject({
  name: objectName.describe("Name of the ConfigMap, in the same namespace."),
  key: dataKey.describe("Key within its data or binaryData."),
});

/** One value of a Secret. */
export const secretKeyReference = z.strictObject({
  name: objectName.describe("Name of the Secret, in the same namespace."),
  key: dataKey.describe("Key within its data."),
});

/** A Secret with a documented set of keys. */
export const secretReference = z.strictObject({ name: objectName.describe("Name of the Secret, in the same namespace.") });
