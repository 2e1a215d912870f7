import { CATEGORY, GROUP, VERSION } from "../custom-resource.ts";
import type { KindDefinition } from "../kinds.ts";
import { MAX_NAME_LENGTH } from "../schema/references.ts";
import type { KubernetesValidation } from "../schema/rule.ts";
import { type StructuralSchema, structuralSchema } from "./normalise.ts";

const nameRule: KubernetesValidation = {
  rule: `self.metadata.name.size() <= ${MAX_NAME_LENGTH} && self.metadata.name.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')`,
  // Static: the API server reckons with a name of any length, and would refuse to join it into a text.
  message: `metadata.name must be at most ${MAX_NAME_LENGTH} lower-case letters, digits and hyphens (no dots), starting and ending with a letter or digit`,
};

/** The OpenAPI schema of a whole object. */
export function objectSchemaOf(kind: KindDefinition): StructuralSchema {
  return {
    type: "object",
    description: kind.summary,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: `Always ${GROUP}/${VERSION}.` },
      kind: { type: "string", description: `Always ${kind.names.kind}.` },
      metadata: { type: "object" },
      spec: { ...structuralSchema(kind.spec, "spec"), description: "What should be." },
      status: { ...structuralSchema(kind.status, "status"), description: "What is. Only the operator writes it." },
    },
    "x-kubernetes-validations": [nameRule, ...kind.rootValidations],
  };
}

/** The CustomResourceDefinition of a kind. */
export function customResourceDefinition(kind: KindDefinition) {
  const { names } = kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${GROUP}`, labels: { "app.kubernetes.io/part-of": "bellwether" } },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: {
        kind: names.kind,
        listKind: `${names.kind}List`,
        plural: names.plural,
        singular: names.singular,
        shortNames: names.shortNames,
        categories: [CATEGORY],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns.map(({ wide, ...rest }) => ({ ...rest, ...(wide ? { priority: 1 } : {}) })),
          schema: { openAPIV3Schema: objectSchemaOf(kind) },
        },
      ],
    },
  };
}
