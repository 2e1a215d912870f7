import { parse, stringify } from "yaml";

interface Kubeconfig {
  contexts?: { name: string; context: { namespace?: string } }[];
  "current-context"?: string;
}

/** The same kubeconfig with the namespace set in its current context, so that `kubectl get strat` needs no `-n`. */
export function inNamespace(kubeconfig: string, namespace: string): string {
  const config = parse(kubeconfig) as Kubeconfig;
  for (const entry of config.contexts ?? []) {
    if (entry.name === config["current-context"]) entry.context.namespace = namespace;
  }
  return stringify(config);
}
