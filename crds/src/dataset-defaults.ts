import type { Dataset } from "./schema/dataset.ts";

/** Where bars come from, resolved to one source. */
export type DatasetSource =
  | { readonly kind: "configMap"; readonly name: string; readonly key: string }
  | { readonly kind: "volume"; readonly claimName: string; readonly path: string }
  | { readonly kind: "ccxt"; readonly exchange: string; readonly baseUrl: string | undefined }
  | { readonly kind: "synthetic"; readonly seed: number; readonly bars: number };

export interface EffectiveDataset {
  readonly source: DatasetSource;
  /** Undefined: the only market of the strategy. */
  readonly symbol: string | undefined;
  readonly volumeUnit: "Base" | "Quote";
  readonly gaps: "Refuse" | "Skip";
}

/** One week of one-minute bars. */
export const DEFAULT_SYNTHETIC_BARS = 10_080;

function source(dataset: Dataset): DatasetSource {
  if (dataset.configMapRef) return { kind: "configMap", ...dataset.configMapRef };
  if (dataset.volume) return { kind: "volume", ...dataset.volume };
  if (dataset.ccxt) return { kind: "ccxt", exchange: dataset.ccxt.exchange, baseUrl: dataset.ccxt.baseUrl };
  if (dataset.synthetic)
    return { kind: "synthetic", seed: dataset.synthetic.seed, bars: dataset.synthetic.bars ?? DEFAULT_SYNTHETIC_BARS };
  throw new TypeError("a dataset without a source passed validation");
}

/** Fills in what a dataset leaves out. */
export const effectiveDataset = (dataset: Dataset): EffectiveDataset => ({
  source: source(dataset),
  symbol: dataset.symbol,
  volumeUnit: dataset.volumeUnit ?? "Base",
  gaps: dataset.gaps ?? "Refuse",
});
