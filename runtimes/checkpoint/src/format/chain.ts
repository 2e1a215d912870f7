export interface ChainLink {
  readonly key: string;
  /** Key of the manifest before; null for the first. */
  readonly previous: string | null;
}

export interface Fork {
  readonly previous: string | null;
  readonly by: readonly string[];
}

/**
 * Snapshots that follow the same one: two operators took them at once, without seeing one another's. Nothing is lost, for each manifest names all it
 * needs; somebody should know. A predecessor that is not there has been pruned.
 */
export function forksOf(links: readonly ChainLink[]): Fork[] {
  const successors = Map.groupBy(links, ({ previous }) => previous);
  return [...successors]
    .filter(([, by]) => by.length > 1)
    .map(([previous, by]) => ({ previous, by: by.map(({ key }) => key).toSorted() }));
}
