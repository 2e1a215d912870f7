import {
  type CommandName,
  type OptionName,
  commandDefinitions,
  commandNames,
  globalOptions,
  optionDefinitions,
} from "./commands.ts";

const width = 100;

/** The help of one command, or of all. */
export function usageText(command: CommandName | undefined): string {
  return command === undefined ? overview() : commandUsage(command);
}

function overview(): string {
  const longest = Math.max(...commandNames.map((name) => name.length));
  const list = commandNames.map((name) => `  ${name.padEnd(longest)}  ${commandDefinitions[name].summary}`);
  return [
    "kubectl bellwether COMMAND [options]: look at and steer running policies.",
    "",
    "Commands:",
    ...list,
    "",
    "Options of every command:",
    ...optionLines(globalOptions),
    "",
    "Exit codes: 0 done; 1 refused, failed or trading still held; 2 the command line is wrong; 3 no such object.",
    "",
    "Examples:",
    "  kubectl bellwether status",
    '  kubectl bellwether halt --reason "exchange reports wrong prices"',
    "  kubectl bellwether why 0f3b9a0d5c0f4c0a8e7d6b5a49382716",
    "  kubectl bellwether COMMAND --help",
  ].join("\n");
}

function commandUsage(command: CommandName): string {
  const { positionals, options, required, summary, description, examples } = commandDefinitions[command];
  const places = positionals.map((name) => (name.endsWith("?") ? `[${name.slice(0, -1)}]` : name));
  const needed = required.map((name) => `--${name} ${optionDefinitions[name].value ?? ""}`.trim());
  return [
    ["kubectl bellwether", command, ...places, ...needed, "[options]"].join(" "),
    "",
    ...wrap(`${summary[0]?.toUpperCase()}${summary.slice(1)}. ${description}`),
    "",
    "Options:",
    ...optionLines([...options, ...globalOptions]),
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`),
  ].join("\n");
}

function optionLines(names: readonly OptionName[]): string[] {
  const heads = names.map((name) => {
    const { short, value } = optionDefinitions[name];
    return `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
  });
  const longest = Math.max(...heads.map((head) => head.length));
  return names.map((name, index) => `  ${(heads[index] ?? "").padEnd(longest)}  ${optionDefinitions[name].describe}`);
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
