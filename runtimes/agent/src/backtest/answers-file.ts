import { appendFile, readFile, writeFile } from "node:fs/promises";
import type { ModelPort } from "@bellwether/trading/engine/language-model";
import { RecordedModels, answersHeader, wholeLines } from "../llm/recorded-models.ts";

/**
 * Answers in a file. With an upstream new ones are appended; the file is made when it is not there, and a last line that a crash left half written
 * is taken away first. Without one the file is only read.
 *
 * @throws AgentError BAD_ANSWERS; ENOENT when there is no file to replay
 */
export async function openAnswers(file: string, upstream: ModelPort | undefined): Promise<RecordedModels> {
  if (!upstream) return new RecordedModels({ text: await readFile(file, "utf8"), append: () => Promise.resolve() });
  const found = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  const text = found === "" ? answersHeader : wholeLines(found);
  const models = new RecordedModels({ text, upstream, append: (line) => appendFile(file, line) });
  // Only now: a file of something else has been refused untouched.
  if (text !== found) await writeFile(file, text);
  return models;
}
