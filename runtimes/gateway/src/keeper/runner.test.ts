import { describe, expect, test } from "vitest";
import { runnerIn } from "./runner.ts";

const status = "Name:\tollama\nCpus_allowed:\tc\nCpus_allowed_list:\t2-3\nMems_allowed:\t1\n";
const serve = { arguments: ["/usr/bin/ollama", "serve", ""], status };
const runner = (...more: string[]) => ({ arguments: ["/usr/bin/ollama", "runner", "--model", "/m/blob", ...more, ""], status });

describe("the runner among a pod's processes", () => {
  test.each([
    {
      when: "a model is loaded",
      processes: [serve, runner("--ctx-size", "4096", "--threads", "2")],
      is: { threads: 2, cpus: "2-3" },
    },
    { when: "none is loaded", processes: [serve], is: undefined },
    { when: "it does not say its threads", processes: [runner("--ctx-size", "4096")], is: undefined },
    { when: "the pod has only just begun", processes: [], is: undefined },
  ])("is $is when $when", ({ processes, is }) => {
    expect(runnerIn(processes)).toEqual(is);
  });
});
