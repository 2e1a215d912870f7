"""An independent word on the backtest: momentum and the fill model of docs/fill-model.md, written again from its text.

Shares no line with the engine, nor its language, nor its numbers: every amount is a decimal.Decimal, computed exactly and rounded
only where the text says so. The two averages are floats, summed oldest first, because a program's indicators are.

Knows what momentum without a stop loss uses: market orders, one market, the limits (of one bar's order there is never more than one, so
none of maxOrdersPerMinute). Prints finalEquity, fees and fills as JSON.
"""

import argparse
import csv
import json
from datetime import datetime, timezone
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, getcontext

getcontext().prec = 80

QUANTITY_STEP = Decimal("1e-8")
FEE_STEP = Decimal("1e-8")
PRICE_STEP = Decimal("1e-10")
MONEY_STEP = Decimal("1e-18")


def down(value, step):
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def up(value, step):
    return (value / step).to_integral_value(ROUND_CEILING) * step


def text(value):
    """The shortest decimal text: no exponent, no trailing zeros."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def read_bars(path):
    bars = []
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            opened = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=timezone.utc)
            prices = {name: Decimal(row[name]) for name in ("open", "close", "volume")}
            time = opened.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            bars.append({"time": time, "day": opened.date(), **prices})
    return bars


class Account:
    def __init__(self, options):
        self.fee_ratio = Decimal(options.fee_bps) / 10_000
        self.slippage = Decimal(options.slippage_bps) / 10_000
        self.volume_share = Decimal(options.volume_share)
        self.cash = Decimal(options.cash)
        self.units = Decimal(0)
        self.fees = Decimal(0)
        self.orders = []
        self.fills = []
        # What losses are counted from: the highest equity at a close, and that at the last close of the UTC day before.
        self.peak = self.cash
        self.last = self.cash
        self.day = None
        self.day_start = self.cash

    # Costs

    def buy_price(self, price):
        return up(price * (1 + self.slippage), PRICE_STEP)

    def sell_price(self, price):
        return down(price * (1 - self.slippage), PRICE_STEP)

    def fee(self, notional):
        return up(notional * self.fee_ratio, FEE_STEP)

    def buy_cost(self, quantity, price):
        return quantity * price + self.fee(quantity * price)

    def affordable(self, budget, price):
        room = budget if self.fee_ratio == 0 else budget - FEE_STEP
        return down(room / (price * (1 + self.fee_ratio)), QUANTITY_STEP) if room > 0 else Decimal(0)

    # The venue: one bar meets the resting market orders, in order of acceptance

    def meet(self, bar):
        capacity = down(bar["volume"] * self.volume_share / bar["close"], QUANTITY_STEP)
        for order in list(self.orders):
            remaining = order["quantity"] - order["filled"]
            wanted = min(remaining, capacity)
            if order["side"] == "buy":
                quantity, price, ended = self.clipped_buy(order, wanted, bar)
            else:
                quantity, price = min(wanted, self.units), self.sell_price(bar["open"])
                ended = quantity < remaining and quantity == self.units
            if quantity > 0:
                self.book(order, quantity, price, bar["time"])
                capacity -= quantity
            if ended or order["filled"] == order["quantity"]:
                self.orders.remove(order)

    def clipped_buy(self, order, wanted, bar):
        price = self.buy_price(bar["open"])
        budget = min(self.cash, order["max_cost"] - order["spent"])
        if wanted > 0 and self.buy_cost(wanted, price) > budget:
            return self.affordable(budget, price), price, True
        return wanted, price, False

    def book(self, order, quantity, price, time):
        notional = quantity * price
        fee = self.fee(notional)
        buys = order["side"] == "buy"
        self.cash += (-notional if buys else notional) - fee
        self.units += quantity if buys else -quantity
        self.fees += fee
        order["filled"] += quantity
        order["spent"] += notional + fee
        amounts = {"quantity": text(quantity), "price": text(price), "fee": text(fee)}
        self.fills.append({"time": time, "market": "BTC/USDT", "side": order["side"], **amounts})

    # Risk: sizing, then the limits

    def reserved(self):
        total = Decimal(0)
        for order in self.orders:
            if order["side"] == "buy":
                rest = order["quantity"] - order["filled"]
                total += up(order["reservation"] * rest / order["quantity"], MONEY_STEP)
        return total

    def mark(self, bar):
        if bar["day"] != self.day:
            self.day, self.day_start = bar["day"], self.last
        self.last = self.cash + self.units * bar["close"]
        self.peak = max(self.peak, self.last)

    def buy(self, close, options):
        equity = self.cash + self.units * close
        reserved = self.reserved()
        free = self.cash - reserved
        price = self.buy_price(close)
        quantity = down(equity * Decimal(options.equity_ratio) / close, QUANTITY_STEP)
        if quantity > 0 and self.buy_cost(quantity, price) > free:
            quantity = self.affordable(free, price)
        notional = quantity * close
        exposure = self.units * close + reserved + notional
        allowed = (
            quantity > 0
            and len(self.orders) < options.max_open_orders
            and notional <= Decimal(options.max_order_notional)
            and exposure <= Decimal(options.max_position_ratio) * equity
            and exposure <= Decimal(options.max_token_concentration_ratio) * equity
            and self.day_start - equity < Decimal(options.max_daily_loss_ratio) * self.day_start
            and self.peak - equity < Decimal(options.max_drawdown_ratio) * self.peak
        )
        if allowed:
            order = {"side": "buy", "quantity": quantity, "filled": Decimal(0), "spent": Decimal(0)}
            self.orders.append({**order, "max_cost": free, "reservation": self.buy_cost(quantity, price)})

    def sell_all(self):
        selling = sum((order["quantity"] - order["filled"] for order in self.orders if order["side"] == "sell"), Decimal(0))
        quantity = down(self.units - selling, QUANTITY_STEP)
        if quantity > 0:
            self.orders.append({"side": "sell", "quantity": quantity, "filled": Decimal(0), "spent": Decimal(0)})


def average(closes, index, length):
    total = 0.0
    for at in range(index - length + 1, index + 1):
        total += closes[at]
    return total / length


def momentum(bars, account, options):
    closes = [float(bar["close"]) for bar in bars]
    trend = None
    for index, bar in enumerate(bars):
        account.meet(bar)
        account.mark(bar)
        if index + 1 < options.slow:
            continue
        slow = average(closes, index, options.slow)
        distance = average(closes, index, options.fast) - slow
        band = slow * options.band_bps / 10_000
        now = "up" if distance > band else "down" if distance < -band else None
        if now is None or now == trend:
            continue
        before, trend = trend, now
        if before is None:
            continue
        if now == "up" and account.units == 0:
            account.buy(bar["close"], options)
        elif now == "down" and account.units != 0:
            account.sell_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars")
    for name, default in (("cash", "10000"), ("fee-bps", "10"), ("slippage-bps", "5"), ("volume-share", "0.10"), ("equity-ratio", "0.2")):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (
        ("max-position-ratio", "0.20"),
        ("max-token-concentration-ratio", "0.50"),
        ("max-order-notional", "10000"),
        ("max-daily-loss-ratio", "0.05"),
        ("max-drawdown-ratio", "0.20"),
    ):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (("fast", 20), ("slow", 60), ("band-bps", 20), ("max-open-orders", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    bars = read_bars(options.bars)
    account = Account(options)
    momentum(bars, account, options)
    equity = account.cash + account.units * bars[-1]["close"]
    print(json.dumps({"finalEquity": text(equity), "fees": text(account.fees), "fills": account.fills}))


if __name__ == "__main__":
    main()
