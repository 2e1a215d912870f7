import { describe, expect, test } from "vitest";
import { type Claim, storageClassName, type Volume, volumeActions, volumeManifest } from "./volume-provisioner.ts";

const claim = (changes: Partial<Claim["spec"]> = {}, deletionTimestamp?: string): Claim => ({
  metadata: { name: "data", namespace: "demo", uid: "u1", ...(deletionTimestamp ? { deletionTimestamp } : {}) },
  spec: { storageClassName, accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...changes },
});
const volume = (phase: string, ofClass = storageClassName): Volume => ({
  metadata: { name: "pvc-u1" },
  spec: { storageClassName: ofClass },
  status: { phase },
});

describe("the volume provisioner", () => {
  test.each([
    { when: "a claim waits", claims: [claim()], volumes: [], then: ["create pvc-u1"] },
    { when: "the volume is there already", claims: [claim()], volumes: [volume("Available")], then: [] },
    { when: "the claim is bound", claims: [claim({ volumeName: "pvc-u1" })], volumes: [volume("Bound")], then: [] },
    { when: "the claim is of another class", claims: [claim({ storageClassName: "fast" })], volumes: [], then: [] },
    { when: "the claim is being deleted", claims: [claim({}, "now")], volumes: [], then: [] },
    { when: "the claim is gone", claims: [], volumes: [volume("Released")], then: ["remove pvc-u1"] },
    { when: "a released volume is of another class", claims: [], volumes: [volume("Released", "fast")], then: [] },
  ])("does $then when $when", ({ claims, volumes, then }) => {
    expect(volumeActions(claims, volumes).map((action) => `${action.do} ${action.name}`)).toEqual(then);
  });

  test("makes local volumes, which get the pod's group, bound to exactly their claim", () => {
    expect(volumeManifest("pvc-u1", claim(), "/state/pvc-u1")).toMatchObject({
      spec: {
        local: { path: "/state/pvc-u1" },
        capacity: { storage: "1Gi" },
        claimRef: { namespace: "demo", name: "data", uid: "u1" },
      },
    });
  });
});
