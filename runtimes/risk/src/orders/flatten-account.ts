import { messageOf } from "@bellwether/service-kit";
import { type Decimal, flattenSlippage, formatDecimal } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { DecideContext } from "../decisions/decide.ts";
import type { AccountBook } from "../portfolio/book.ts";
import type { StrategyRegistry } from "../strategies/registry.ts";
import type { Strategy } from "../strategies/strategy.ts";
import type { CommittedOrder } from "./dispatch.ts";
import type { SaleAttempts } from "./sale-attempts.ts";
import { type Sale, sellOff } from "./sell-off.ts";

/**
 * One step of a flattening, for every strategy of an account:
 *
 *   orders open, or outcomes unknown ─► wait   (the settlement cancels and resolves them)
 *   nothing sellable left ────────────► done
 *   otherwise ────────────────────────► sell with a bound, wider and later after each attempt
 *
 * Legs that rest give way to the sell at the broker and come back when it brings nothing: a flattening that is called off, or held by a person, leaves no
 * position without its stop.
 */
export async function flattenAccount(
  account: Account,
  attempts: SaleAttempts,
  context: DecideContext & { readonly registry: StrategyRegistry },
): Promise<CommittedOrder[]> {
  if (!account.loaded || account.venueState === undefined || account.endedMessage !== undefined) return [];
  const strategies = context.registry.ofAccount(account.accountUid);
  return account.exclusive(async (book) => {
    const orders: CommittedOrder[] = [];
    for (const strategy of strategies) {
      if (book.openOrders(strategy.uid).length > 0) continue;
      const sales = salesOf(strategy, book, account);
      if (sales.length === 0) continue;
      const sell = (made: number): Promise<CommittedOrder[]> => {
        const slippage: Decimal = flattenSlippage(made);
        context.log.warn(
          { strategy: strategy.name, sales, slippage: formatDecimal(slippage) },
          "a breaker sells a strategy's positions",
        );
        return sellOff({ strategy, book, sales, slippage }, context);
      };
      const sold = await attempts.sell(strategy.uid, context.clock.nowMs(), sell).catch((error: unknown) => {
        // Sales of others are committed and in flight: not handed over, they would be waited for until the next start.
        if (orders.length === 0) throw error;
        context.log.warn({ err: messageOf(error), strategy: strategy.name }, "a strategy's positions could not be sold yet");
        return [];
      });
      orders.push(...sold);
    }
    return orders;
  });
}

/** What a strategy holds and the venue would take. */
export function salesOf(strategy: Pick<Strategy, "uid" | "markets">, book: AccountBook, account: Pick<Account, "terms">): Sale[] {
  const markets = new Set([
    ...Object.keys(book.subAccount(strategy.uid).positions),
    ...strategy.markets.map(({ market }) => market),
  ]);
  return [...markets].flatMap((market) => {
    const [rules, mark] = [account.terms(market), book.mark(market)];
    const held = book.held(strategy.uid, market);
    if (!rules || !mark || held <= 0n || held < rules.quantityStep) return [];
    if (rules.minQuantity !== undefined && held < rules.minQuantity) return [];
    return [{ market, price: formatDecimal(mark.price) }];
  });
}
