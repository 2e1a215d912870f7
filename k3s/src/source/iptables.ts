/** Chains of kube-proxy, the kubelet and the CNI plugins. A machine where other software has made such chains is refused by preflight. */
const ourChain = /^(KUBE-|CNI-)/;

function chainsOf(line: string): string[] {
  const declared = /^:(\S+)/.exec(line)?.[1];
  const appended = /^-A (\S+)/.exec(line)?.[1];
  const jumped = /\s-[jg] (\S+)/.exec(line)?.[1];
  return [declared, appended, jumped].filter((chain) => chain !== undefined);
}

/** Whether `iptables-save` shows chains of a Kubernetes node. */
export function hasKubernetesChains(saved: string): boolean {
  return saved.split("\n").some((line) => chainsOf(line).some((chain) => ourChain.test(chain)));
}

/** The same rule set without our chains, our rules in the built-in chains, and the jumps to them: input for `iptables-restore`. */
export function withoutKubernetesChains(saved: string): string {
  return saved
    .split("\n")
    .filter((line) => !chainsOf(line).some((chain) => ourChain.test(chain)))
    .join("\n");
}

interface Table {
  readonly name: string;
  readonly lines: readonly string[];
}

function tablesOf(saved: string): Table[] {
  const tables: { name: string; lines: string[] }[] = [];
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) tables.push({ name: line.slice(1), lines: [] });
    else if (line !== "COMMIT" && line !== "" && !line.startsWith("#"))
      tables.at(-1)?.lines.push(line.replace(/\[\d+:\d+\]/, "[0:0]"));
  }
  return tables;
}

const isEmptyChain = (line: string): boolean => /^:\S+ ACCEPT /.test(line);

/** Names of tables that hold no rule, no chain of their own and no policy but ACCEPT: they do the same as no table. */
export function emptyTables(saved: string): string[] {
  return tablesOf(saved)
    .filter((table) => table.lines.every(isEmptyChain))
    .map((table) => table.name);
}

/** Names of all tables in a saved rule set. */
export function tableNames(saved: string): string[] {
  return tablesOf(saved).map((table) => table.name);
}

/** What the rule set does, for comparing before and after: without counters, comments and tables that do nothing. */
export function normalisedRules(saved: string): string {
  return tablesOf(saved)
    .filter((table) => !table.lines.every(isEmptyChain))
    .map((table) => [`*${table.name}`, ...table.lines].join("\n"))
    .sort()
    .join("\n");
}
