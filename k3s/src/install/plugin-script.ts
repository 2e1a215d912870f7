/** One word for a POSIX shell, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * The executable `kubectl-bellwether`: kubectl finds it on the PATH and runs it for `kubectl bellwether`. A script and no link, because the plugin runs
 * from source, under the very Node that this repository has pinned.
 */
export function pluginScript(node: string, main: string): string {
  const command = [node, "--disable-warning=ExperimentalWarning", main].map(quoted).join(" ");
  return `#!/bin/sh\n# Written by \`npm run up\`.\nexec ${command} "$@"\n`;
}
