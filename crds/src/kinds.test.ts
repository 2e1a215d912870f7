import { describe, expect, test } from "vitest";
import { EXAMPLES } from "./examples/index.ts";
import { KINDS, manifestSchema } from "./kinds.ts";

const schemaOf = (kind: string) => manifestSchema(KINDS.find(({ names }) => names.kind === kind)!);

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}
const lastName = (field: string): string =>
  field
    .split(/[.[\]]+/)
    .filter((part) => part !== "" && !/^\d+$/.test(part))
    .at(-1) ?? "";
const namesField = (issue: Issue, field: string): boolean =>
  [...issue.path, ...(issue.keys ?? [])].map(String).includes(lastName(field));

describe.each(EXAMPLES)("$kind", ({ kind, accept, reject }) => {
  test.each(accept)("takes $name", ({ manifest }) => {
    expect(schemaOf(kind).safeParse(manifest).error).toBeUndefined();
  });

  test.each(reject)("refuses $name", ({ manifest, field, says }) => {
    const issues = (schemaOf(kind).safeParse(manifest).error?.issues ?? []) as Issue[];
    expect(issues, "nothing was refused").not.toEqual([]);
    if (field !== "")
      expect(
        issues.some((issue) => namesField(issue, field)),
        JSON.stringify(issues),
      ).toBe(true);
    if (says !== undefined) expect(issues.map(({ message }) => message).join("\n")).toContain(says);
  });
});
