/**
 * Compares the installed CRDs with those this operator was built with: Helm never upgrades what lies in `crds/`, and a status field that the
 * installed schema does not know vanishes without a word (openvox 555).
 */
import { GROUP, KINDS, type KindDefinition } from "@bellwether/crds";
import { customResourceDefinition } from "@bellwether/crds/custom-resource-definition";
import { type KubernetesClient, type KubernetesObject, defineResource, isSubset } from "@bellwether/kubernetes";
import { OperatorError } from "../errors.ts";

interface Crd extends KubernetesObject {
  readonly spec: { readonly versions: readonly object[] };
}

const crds = defineResource<Crd>({
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
});

export interface CrdDrift {
  readonly name: string;
  readonly message: string;
}

/**
 * CRDs whose installed schema lacks something of ours.
 *
 * @throws OperatorError CRD_MISSING when one is not installed at all
 */
export async function crdDrift(client: Pick<KubernetesClient, "get">): Promise<CrdDrift[]> {
  const drifts: CrdDrift[] = [];
  for (const kind of KINDS) {
    const drift = await driftOf(client, kind);
    if (drift) drifts.push(drift);
  }
  return drifts;
}

async function driftOf(client: Pick<KubernetesClient, "get">, kind: KindDefinition): Promise<CrdDrift | undefined> {
  const name = `${kind.names.plural}.${GROUP}`;
  const installed = await client.get(crds, { name });
  if (!installed)
    throw new OperatorError(
      "CRD_MISSING",
      `the CustomResourceDefinition ${name} is not installed: install the chart, or apply crds/generated`,
    );
  const expected: { spec: { versions: readonly object[] } } = customResourceDefinition(kind);
  if (isSubset(expected.spec.versions, installed.spec.versions)) return undefined;
  return {
    name,
    message: `the installed CustomResourceDefinition ${name} differs from this operator's: upgrade the chart (Helm does not upgrade crds/ by itself)`,
  };
}
