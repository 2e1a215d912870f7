/** `--help` of the backtest command; docs/programs.md repeats the fill model. */
export const backtestUsage = `Runs a Strategy over past bars, without a cluster, and prints what it would have made.

  npm run --silent backtest -- -f strategy.yaml [--data bars.csv] [--program file.ts] [-o json|table]

  -f, --file FILE        YAML with one Strategy and the RiskPolicy it names; ConfigMaps in it are found
      --data FILE        bars instead of the Strategy's dataset: CSV, or gzipped CSV, with the header
                         timestamp,open,high,low,close,volume
      --volume-unit U    what the volume column counts: Base or Quote (default: the manifest's, else Base)
      --gaps G           what to do about missing bars: Refuse or Skip (default: the manifest's, else Refuse)
      --program FILE     a TypeScript module instead of the Strategy's program
      --answers FILE     recorded answers of language models, for a program that asks some; without --gateway nothing
                         else is answered
      --gateway URL      asks what is not recorded yet at a gateway, and appends it to the answers
      --gateway-token F  file with the token for it
  -o, --output FORMAT    table (default) or json: the fields of status.backtest and fills[]; money as text
  -v, --verbose          print what the program logs, to standard error
  -h, --help             this text

Any mode will do: a Paper strategy is run as it stands over the bars given.

Fill model (the same as on a paper account)
  - A decision is made at a bar's close; its orders are judged by the policy's limits at once.
  - Market orders fill at the open of the next bar, worse by slippageBps. Orders of the last bar stay unfilled.
  - Limit orders fill only when a bar trades through their price, at the limit, or at the open if that is better.
  - Within one bar a stop loss comes before a take profit; a gap fills at the open.
  - At most volumeShareRatio (default 0.10) of a bar's volume fills in it; the rest waits for the next bar.
  - Every fill costs feeBps of its notional in the quote currency. Buys are clipped to the cash there is after both.
  - Fees, slippage and starting balances are those of the paper account the Strategy names (10 and 5 bps where unset).
  - Equity is cash plus positions at the last close; an open position is marked, not closed.

Exit codes: 0 done, 64 command line, 65 manifest or data, 70 the program failed, 1 anything else.`;
