/**
 * Does the live object already hold everything that is desired? Then nothing has to be written.
 *
 * The API server adds defaults, admission adds volumes and tolerations, quantities come back in another spelling and zero
 * values disappear: none of that is a difference. What the desired state no longer names cannot be seen here; `appliedHash`
 * is for that.
 */
import { sameQuantity } from "./quantity.ts";

/** Lists whose items have a key: an item is compared with the one of the same key, others may stand beside it. A map: fields have any name. */
const keysOfList: ReadonlyMap<string, readonly string[]> = new Map([
  ["containers", ["name"]],
  ["initContainers", ["name"]],
  ["ephemeralContainers", ["name"]],
  ["env", ["name"]],
  ["volumes", ["name"]],
  ["imagePullSecrets", ["name"]],
  ["secrets", ["name"]],
  ["volumeMounts", ["mountPath"]],
  ["volumeDevices", ["devicePath"]],
  ["volumeClaimTemplates", ["metadata.name"]],
  ["ownerReferences", ["uid"]],
  ["conditions", ["type"]],
  ["hostAliases", ["ip"]],
  ["topologySpreadConstraints", ["topologyKey", "whenUnsatisfiable"]],
  ["resourceClaims", ["name"]],
]);

/** Lists that are sets to us: admission adds to them. */
const setLists = new Set(["tolerations", "finalizers"]);

/** Maps of text, in which an empty value means something. */
const textMaps = new Set(["data", "binaryData", "stringData", "labels", "annotations", "matchLabels", "nodeSelector"]);

/** Members whose values are quantities. */
const quantityMaps = new Set(["requests", "limits", "capacity", "hard", "overhead"]);
const quantityFields = new Set(["sizeLimit", "divisor"]);

/** True when every member of `desired` is in `live`, up to defaults, spelling of quantities and dropped zero values. */
export function isSubset(desired: unknown, live: unknown): boolean {
  return within(desired, live, { field: "", parent: "" });
}

interface Place {
  /** Name of the member that holds the value; of a list's item that of the list. */
  readonly field: string;
  readonly parent: string;
}

function within(desired: unknown, live: unknown, place: Place): boolean {
  if (desired === undefined) return true;
  if (live === undefined || live === null) return isZero(desired) && !textMaps.has(place.parent);
  if (Array.isArray(desired)) return Array.isArray(live) && listWithin(desired, live, place);
  if (typeof desired === "object" && desired !== null) {
    if (typeof live !== "object" || Array.isArray(live)) return false;
    const members = live as Readonly<Record<string, unknown>>;
    return Object.entries(desired).every(([field, value]) => within(value, members[field], { field, parent: place.field }));
  }
  if (desired === live) return true;
  return isQuantity(place) && sameQuantity(desired, live);
}

function isQuantity({ field, parent }: Place): boolean {
  return quantityMaps.has(parent) || quantityFields.has(field);
}

/** What the API server leaves out of JSON: null, false, 0, "", {}, []. */
function isZero(value: unknown): boolean {
  if (value === null || value === false || value === 0 || value === "") return true;
  return typeof value === "object" && Object.values(value).every((member) => member === undefined || isZero(member));
}

function listWithin(desired: readonly unknown[], live: readonly unknown[], place: Place): boolean {
  const itemWithin = (item: unknown, candidate: unknown): boolean => within(item, candidate, { field: "", parent: place.field });
  if (setLists.has(place.field)) return desired.every((item) => live.some((candidate) => itemWithin(item, candidate)));
  const keyOf = keyFunction(desired, place.field);
  if (!keyOf) return desired.length === live.length && desired.every((item, index) => itemWithin(item, live[index]));
  const liveByKey = new Map(live.map((item) => [keyOf(item), item]));
  return desired.every((item) => itemWithin(item, liveByKey.get(keyOf(item)) ?? null) && liveByKey.has(keyOf(item)));
}

function keyFunction(items: readonly unknown[], field: string): ((item: unknown) => string) | undefined {
  if (field === "ports") return portKey;
  const keys = keysOfList.get(field);
  if (!keys || !items.every((item) => typeof item === "object" && item !== null)) return undefined;
  return (item) => JSON.stringify(keys.map((key) => memberAt(item, key)));
}

/** Containers' and Services' ports are keyed by number and protocol. */
function portKey(item: unknown): string {
  const port = memberAt(item, "containerPort") ?? memberAt(item, "port");
  return JSON.stringify([port, memberAt(item, "protocol") ?? "TCP"]);
}

function memberAt(item: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], item);
}
