/** What names an intent for ever: posting the same one twice is the same intent. */
export interface IntentKey {
  readonly strategyUid: string;
  readonly run: number;
  /** Market time, epoch milliseconds. */
  readonly decisionTime: number;
  readonly ordinal: number;
}

/** `<strategyUid>/<run>/<decisionTime>/<ordinal>`. */
export function intentId({ strategyUid, run, decisionTime, ordinal }: IntentKey): string {
  return `${strategyUid}/${run}/${decisionTime}/${ordinal}`;
}

const intentIdPattern = /^([^/\s]{1,64})\/(\d{1,10})\/(\d{1,16})\/(\d{1,3})$/;

/** The parts of an intent id, or undefined when the text is none. */
export function parseIntentId(text: string): IntentKey | undefined {
  const match = intentIdPattern.exec(text);
  if (match === null) return undefined;
  const [, strategyUid = "", run, decisionTime, ordinal] = match;
  return { strategyUid, run: Number(run), decisionTime: Number(decisionTime), ordinal: Number(ordinal) };
}

/** Whose order it is: the strategy UID of its intent id. The paper venue keeps what two strategies hold apart by it. */
export function ownerOf(id: string): string {
  const slash = id.indexOf("/");
  return slash === -1 ? id : id.slice(0, slash);
}
