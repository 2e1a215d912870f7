/**
 * The gateway's semantic cache with its built-in embedding: questions that differ in one fact must never share an answer, mere formatting must
 * not cost one, and how many paraphrases are recognised. Half of the paraphrases were looked at while the lexicon was made; the other half
 * was not.
 */
import { seededRandom } from "@bellwether/service-kit/random";
import { exactKey } from "../../../runtimes/gateway/src/cache/exact-key.ts";
import { lexicalEmbedding } from "../../../runtimes/gateway/src/cache/lexical-embedding.ts";
import { type EmbeddedQuestion, judgeHit, semanticQuestion } from "../../../runtimes/gateway/src/cache/semantic-question.ts";
import { paraphrasePairs } from "../../../runtimes/gateway/src/testing/paraphrases.ts";
import { ADVERSARIAL_KINDS, adversarialPair, reformattedPair } from "../../../runtimes/gateway/src/testing/question-pairs.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const SEED = 5_112_026;
const PAIRS_A_KIND = 1_000;
const MIN_SIMILARITY = 0.95;

function question(content: string, tenant: string): { key: string; embedded: EmbeddedQuestion | undefined } {
  const request = { model: "auto", messages: [{ role: "user" as const, content }] };
  const scope = { route: "bench", tenant };
  const semantic = semanticQuestion(request, scope);
  const embedded = semantic === undefined ? undefined : { ...semantic, embedding: lexicalEmbedding(semantic.meaning) };
  return { key: exactKey(request, scope), embedded };
}

interface Rules {
  readonly tenants?: readonly [string, string];
  readonly minSimilarity?: number;
}

/** Whether an answer to the one would be given to the other, by either cache. */
function shares(left: string, right: string, { tenants = ["a", "a"], minSimilarity = MIN_SIMILARITY }: Rules = {}): boolean {
  const [stored, asked] = [question(left, tenants[0]), question(right, tenants[1])];
  if (stored.key === asked.key) return true;
  return (
    stored.embedded !== undefined && asked.embedded !== undefined && judgeHit(stored.embedded, asked.embedded, minSimilarity).hit
  );
}

function rate(pairs: readonly { left: string; right: string }[], rules: Rules = {}): number {
  return (100 * pairs.filter(({ left, right }) => shares(left, right, rules)).length) / pairs.length;
}

export async function bench(): Promise<BenchResult> {
  const random = seededRandom(SEED);
  const rows: BenchRow[] = [];
  let pairsInAll = 0;
  for (const kind of ADVERSARIAL_KINDS) {
    const pairs = Array.from({ length: PAIRS_A_KIND }, () => adversarialPair(random, kind));
    pairsInAll += pairs.length;
    const hits = pairs.filter(({ left, right }) => shares(left, right)).length;
    rows.push({ metric: `false hits among pairs that differ in ${kind}`, value: hits, unit: "", goal: "≤ 0" });
  }
  const same = Array.from({ length: PAIRS_A_KIND }, () => reformattedPair(random));
  const crossed = same.filter(({ left }, index) => shares(left, left, { tenants: [`t${index}`, `t${index + 1}`] })).length;
  pairsInAll += same.length;
  rows.push({ metric: "false hits among pairs that differ in tenant", value: crossed, unit: "", goal: "≤ 0" });
  const [tuned, heldOut] = [paraphrasePairs("tuned"), paraphrasePairs("held out")];
  rows.push(
    { metric: "adversarial pairs", value: pairsInAll, unit: "", goal: "≥ 3000" },
    { metric: "hits on mere reformatting", value: rate(same), unit: "%", goal: "≥ 95" },
    { metric: "paraphrases held out", value: heldOut.length, unit: "", goal: "≥ 500" },
    { metric: "hits on paraphrases held out, built-in embedding", value: rate(heldOut), unit: "%" },
    // With the nearest vectors there could be: what the gate alone lets through is the most that any model of embeddings would bring.
    { metric: "the most any embedding can bring of those held out", value: rate(heldOut, { minSimilarity: -1 }), unit: "%" },
    { metric: "hits on paraphrases looked at, built-in embedding", value: rate(tuned), unit: "%" },
  );
  return { name: "semantic cache", rows };
}
