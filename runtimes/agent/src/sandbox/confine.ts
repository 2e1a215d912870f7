/** What the language itself does not bring but a program may reasonably use. */
const keptHostGlobals = new Set(
  `
  setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate queueMicrotask structuredClone
  TextEncoder TextDecoder URL URLSearchParams AbortController AbortSignal
`.split(/\s+/),
);

/** ECMAScript 2025, §19: everything else on the global object comes from Node. */
const languageGlobals = new Set(
  `
  globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI
  encodeURIComponent escape unescape AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt
  BigInt64Array BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array
  Float32Array Float64Array Function Int8Array Int16Array Int32Array Intl Iterator JSON Map Math Number Object Promise
  Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError
  TypeError Uint8Array Uint8ClampedArray Uint16Array Uint32Array URIError WeakMap WeakRef WeakSet
`.split(/\s+/),
);

/**
 * Takes from the global object whatever Node put there: `process` (kill, the IPC channel, builtin modules), `fetch`,
 * `WebSocket`, and also `console`, whose streams are sockets and lead to the class that opens them. Call it before any
 * foreign code runs.
 *
 * @param print receives what the program writes with `console`
 */
export function confineGlobals(print: (line: string) => void): void {
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!languageGlobals.has(name) && !keptHostGlobals.has(name)) Reflect.deleteProperty(globalThis, name);
  }
  const write = (...values: readonly unknown[]): void => print(values.map(shown).join(" "));
  const console = Object.freeze({ log: write, info: write, warn: write, error: write, debug: write });
  Object.defineProperty(globalThis, "console", { value: console, enumerable: false });
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ?? value.message;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value); // Circular, or a bigint.
  }
}
