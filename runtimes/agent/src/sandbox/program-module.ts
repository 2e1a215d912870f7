import { registerHooks } from "node:module";
import * as agentInterface from "../index.ts";
import { AgentError } from "../errors.ts";
import { firstErrorLine } from "../interface/first-error-line.ts";

const interfaceName = "@bellwether/agent";
const interfaceUrl = "bellwether:interface";
const programScheme = "bellwether-program:";
/** Where the interface's module finds its members: modules made of text can import nothing that has no URL. */
const interfaceKey = Symbol.for("bellwether.dev/interface");

/**
 * Loads a program from its JavaScript text.
 *
 * The only module it can import is `@bellwether/agent`, which is the very code the agent itself was built with; all else,
 * Node's own modules included, is refused by name.
 *
 * @returns what the module exports as default
 * @throws AgentError BAD_PROGRAM (syntax, a forbidden import), PROGRAM_THREW (its top level threw)
 */
export async function importProgram(code: string, name: string): Promise<unknown> {
  const programUrl = `${programScheme}${encodeURI(name)}`;
  Object.defineProperty(globalThis, interfaceKey, { value: Object.freeze({ ...agentInterface }) });
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === programUrl) return { url: programUrl, format: "module", shortCircuit: true };
      if (!context.parentURL?.startsWith(programScheme)) return nextResolve(specifier, context);
      if (specifier === interfaceName) return { url: interfaceUrl, format: "module", shortCircuit: true };
      throw new AgentError("BAD_PROGRAM", `${name} imports ${specifier}: a program may import ${interfaceName} only`);
    },
    load(url, context, nextLoad) {
      if (url === programUrl) return { format: "module", source: code, shortCircuit: true };
      if (url === interfaceUrl) return { format: "module", source: interfaceSource(), shortCircuit: true };
      return nextLoad(url, context);
    },
  });
  try {
    const module = (await import(programUrl)) as { default?: unknown };
    return module.default;
  } catch (error) {
    if (error instanceof AgentError) throw error;
    const faultCode = error instanceof SyntaxError ? "BAD_PROGRAM" : "PROGRAM_THREW";
    throw new AgentError(faultCode, firstErrorLine(error), { cause: error });
  }
}

function interfaceSource(): string {
  const names = Object.keys(agentInterface);
  const lines = names.map((name) => `export const ${name} = members.${name};`);
  return `const members = globalThis[Symbol.for("bellwether.dev/interface")];\n${lines.join("\n")}\n`;
}
