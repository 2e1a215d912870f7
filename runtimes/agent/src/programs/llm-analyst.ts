import { type Context, askFor, atr, decimal, defineStrategy, integer, rsi, sma, text, z } from "@bellwether/agent";

const parameters = {
  model: text({ default: "auto", maxLength: 40, about: "a model of the route; auto lets the route choose" }),
  bars: integer({ default: 48, min: 10, max: 500, about: "closed bars that the model is shown" }),
  recentDecisions: integer({ default: 5, min: 0, max: 20, about: "its last decisions that the model is shown" }),
  equityRatio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "part of the strategy's equity for one entry" }),
  minConfidence: decimal({ default: "0.6", min: "0", max: "1", about: "an action with less confidence is not taken" }),
  stopLossRatio: decimal({ default: "0.03", min: "0", max: "0.5", about: "stop this far below the signal's close; 0 for none" }),
  maxTokens: integer({ default: 400, min: 64, max: 4096, about: "most tokens of an answer" }),
  instructions: text({ default: "", maxLength: 1000, about: "said to the model besides, such as a style of trading" }),
};

type Analyst = Context<typeof parameters>;

const answer = z.strictObject({
  reasoning: z.string().min(1).max(2000),
  action: z.enum(["buy", "sell", "hold"]),
  confidence: z.number().min(0).max(1),
});
type Verdict = z.output<typeof answer>;

const noted = z.strictObject({
  time: z.string(),
  close: z.number(),
  action: z.enum(["buy", "sell", "hold"]),
  confidence: z.number(),
});
type Noted = z.output<typeof noted>;

/**
 * Asks a language model of the strategy's route what to do: it is shown the market, the position, its last decisions and what it thought at the last one.
 * An answer that is not of the asked form is sent back once; then, as without any answer, nothing is decided. Position and limits are risk's business:
 * the model only says buy, sell or hold.
 */
export default defineStrategy({
  parameters,

  async onBar(context) {
    const { model, maxTokens, recentDecisions } = context.parameters;
    // Fewer bars than it should see would be another question.
    if (context.closes.length < context.parameters.bars) return;
    const thought = await context.llm.recall();
    const recent = recentOf(context);
    const messages = [
      { role: "system" as const, content: instructions(context) },
      { role: "user" as const, content: [situation(context), history(recent), thoughts(thought)].join("\n\n") },
    ];
    const said = await askFor(context.llm, answer, { model, maxTokens, messages });
    if (!said.answered) {
      context.log(`no decision: ${said.reason}: ${said.message}`);
      return;
    }
    const { value } = said;
    act(context, value);
    context.llm.remember(value.reasoning);
    const entry = { time: iso(context.time), close: context.closes.at(0), action: value.action, confidence: value.confidence };
    if (recentDecisions > 0) context.state[context.market] = [...recent, entry].slice(-recentDecisions);
    context.log(`${value.action} (confidence ${value.confidence}): ${value.reasoning}`);
  },
});

function act(context: Analyst, { action, confidence }: Verdict): void {
  const { equityRatio, minConfidence, stopLossRatio } = context.parameters;
  if (confidence < Number(minConfidence)) return;
  const flat = Number(context.position.quantity) === 0;
  if (action === "buy" && flat && context.orders().length === 0) {
    const stop = context.closes.at(0) * (1 - Number(stopLossRatio));
    context.buy(Number(stopLossRatio) === 0 ? { equityRatio } : { equityRatio, stopLoss: stop.toFixed(8) });
  } else if (action === "sell" && !flat) {
    context.sell({ all: true });
  }
}

function instructions({ market, timeframe, parameters: { instructions: more } }: Analyst): string {
  const lines = [
    `You trade ${market} on the spot market, long or flat, never short, and decide once for a closed bar of ${timeframe}.`,
    "Answer with one JSON object: reasoning (at most 100 words), action (buy, sell or hold) and confidence (0 to 1).",
    "buy opens a position when there is none; sell closes it whole; hold leaves things as they are.",
    "Every trade costs fees and slippage: hold unless there is a reason. Use only what you are shown.",
  ];
  return (more === "" ? lines : [...lines, more]).join("\n");
}

function situation(context: Analyst): string {
  const { quantity, averagePrice } = context.position;
  const rows = context.bars(context.parameters.bars);
  const bars = rows.map((bar) => [iso(bar.time), bar.open, bar.high, bar.low, bar.close, short(bar.volume)].join(","));
  const length = Math.min(20, rows.length);
  const indicators = [
    `last close ${short(context.closes.at(0))}`,
    `average of ${length} closes ${short(sma(context.closes, length))}`,
    `RSI 14 ${short(rsi(context.closes, 14))}`,
    `average true range 14 ${short(atr(context, 14))}`,
  ];
  return [
    `It is ${iso(context.time)}. Equity ${context.equity}, free cash ${context.cash}.`,
    Number(quantity) === 0 ? "Position: none." : `Position: ${quantity} bought at ${averagePrice} on average.`,
    `Indicators: ${indicators.join("; ")}.`,
    "Bars, oldest first (time,open,high,low,close,volume):",
    ...bars,
  ].join("\n");
}

function history(recent: readonly Noted[]): string {
  if (recent.length === 0) return "There is no decision before this one.";
  const lines = recent.map(({ time, close, action, confidence }) => `${time} at ${close}: ${action}, confidence ${confidence}`);
  return ["Your last decisions:", ...lines].join("\n");
}

function thoughts(thought: unknown): string {
  return typeof thought === "string" ? `What you thought at the last decision: ${thought}` : "";
}

/** What the state holds of this market; a state of another program counts for nothing. */
function recentOf({ state, market, parameters: { recentDecisions } }: Analyst): readonly Noted[] {
  const parsed = z.array(noted).safeParse(state[market]);
  return recentDecisions > 0 && parsed.success ? parsed.data.slice(-recentDecisions) : [];
}

function iso(time: number): string {
  return new Date(time).toISOString().slice(0, 16);
}

/** Six digits: more would be noise to a model, and tokens. */
function short(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : "unknown";
}
