import { expect, test } from "vitest";
import { blobsOf, indexOf, type OciIndex } from "./oci-layout.ts";

const entry = (name: string, digest: string) => ({
  mediaType: "m",
  digest,
  size: 1,
  annotations: { "org.opencontainers.image.ref.name": name },
});
const index: OciIndex = {
  schemaVersion: 2,
  manifests: [entry("localhost/a:1", "sha256:a"), entry("localhost/b:1", "sha256:b"), entry("localhost/b:0", "sha256:old")],
};
const manifests: Record<string, { config: { digest: string }; layers: { digest: string }[] }> = {
  "sha256:a": { config: { digest: "sha256:ca" }, layers: [{ digest: "sha256:base" }, { digest: "sha256:la" }] },
  "sha256:b": { config: { digest: "sha256:cb" }, layers: [{ digest: "sha256:base" }, { digest: "sha256:lb" }] },
};

test("an archive holds the named images, a shared layer once, and nothing of other versions", () => {
  const chosen = indexOf(index, ["localhost/a:1", "localhost/b:1"]);
  expect(chosen.manifests.map(({ digest }) => digest)).toEqual(["sha256:a", "sha256:b"]);
  expect(blobsOf(chosen, (digest) => manifests[digest]!)).toEqual(
    ["a", "ca", "base", "la", "b", "cb", "lb"].map((name) => `blobs/sha256/${name}`),
  );
});
