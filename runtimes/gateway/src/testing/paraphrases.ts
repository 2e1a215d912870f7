/**
 * Questions of a trader's agent, each in several wordings of one meaning. `{a}`, `{b}`: assets, `{n}`: a number. Every second line (the odd
 * ones, counted from 0) is held out: the lexicon was made without looking at it.
 */
const PARAPHRASES: readonly (readonly string[])[] = [
  [
    "What is the price of {a}?",
    "How much is {a} right now?",
    "What's {a}'s current price?",
    "Tell me the price of {a}.",
    "{a} price",
  ],
  [
    "How volatile is {a} today?",
    "What is the volatility of {a} today?",
    "Tell me how volatile {a} is today.",
    "How volatile is {a} right now, today?",
    "What is today's volatility of {a}?",
  ],
  [
    "Should I buy {a} now?",
    "Is it a good idea to buy {a} right now?",
    "Would you recommend buying {a} now?",
    "Is now a good time to buy {a}?",
    "Do you think I should buy {a} now?",
  ],
  [
    "Should I sell {a} now?",
    "Is it time to sell {a}?",
    "Would you advise selling {a} at the moment?",
    "Does it make sense to sell {a} now?",
    "Is this a good time to sell {a}?",
  ],
  [
    "Summarise the news on {a}.",
    "Give me a summary of the news on {a}.",
    "Please summarize {a} news.",
    "Can you give me an overview of the news about {a}?",
    "Sum up the news regarding {a}",
  ],
  [
    "What is the outlook for {a} this week?",
    "What's your forecast for {a} this week?",
    "Give me a forecast for {a} this week.",
    "How do you see {a} developing this week?",
    "{a} outlook this week",
  ],
  [
    "What is the trend of {a} over the last {n} days?",
    "Tell me the trend of {a} over the past {n} days.",
    "What has been the trend of {a} in the last {n} days?",
    "What's {a}'s trend during the past {n} days?",
    "{a} trend, last {n} days",
  ],
  [
    "How has {a} performed over the last {n} days?",
    "What was the performance of {a} during the past {n} days?",
    "How did {a} do in the last {n} days?",
    "Tell me how {a} has performed over the past {n} days.",
    "How has {a} performed in the past {n} days?",
  ],
  [
    "Explain what a stop-loss order is.",
    "What is a stop loss order?",
    "Can you explain what a stop-loss order is?",
    "Please describe what a stop-loss order is.",
    "Tell me what a stop loss order is.",
  ],
  [
    "What are the risks of holding {a}?",
    "Which risks come with holding {a}?",
    "Tell me the risks of holding {a}.",
    "List the risks of holding {a}.",
    "What risks are there in holding {a}?",
  ],
  [
    "Calculate the position size for a risk of {n}%.",
    "Compute the position size for a {n}% risk.",
    "What position size corresponds to a risk of {n} percent?",
    "Please calculate the position size for a risk of {n} %",
    "Work out the position size for a risk of {n}%.",
  ],
  [
    "What is the market sentiment for {a}?",
    "How is the market sentiment for {a}?",
    "Tell me the current market sentiment for {a}.",
    "What's the mood of the market on {a}?",
    "{a} market sentiment?",
  ],
  [
    "Compare {a} and {b}.",
    "Please compare {a} and {b}.",
    "Can you compare {a} and {b}?",
    "Compare {a} with {b}.",
    "Give me a comparison of {a} and {b}.",
  ],
  [
    "Why did {a} fall yesterday?",
    "What is the reason {a} fell yesterday?",
    "How come {a} fell yesterday?",
    "Why did {a} drop yesterday?",
    "For what reason did {a} decline yesterday?",
  ],
  [
    "Will {a} go up next week?",
    "Is {a} going to rise next week?",
    "Will {a} rise next week?",
    "Is {a} going to increase next week?",
    "Do you think {a} will go up next week?",
  ],
  [
    "What are the trading fees for {a}?",
    "How high are the fees for trading {a}?",
    "Tell me the trading fees for {a}.",
    "What fees apply when I trade {a}?",
    "{a} trading fees?",
  ],
  [
    "Is the trend of {a} bullish?",
    "Is {a}'s trend bullish?",
    "Would you say the trend of {a} is bullish?",
    "Tell me if the trend of {a} is bullish.",
    "Is {a} in a bullish trend?",
  ],
  [
    "How much {a} should I hold?",
    "What amount of {a} should I hold?",
    "How much {a} ought I to hold?",
    "Tell me how much {a} I should hold.",
    "How much {a} do you recommend holding?",
  ],
  ["What does RSI mean?", "What is RSI?", "Explain RSI.", "Tell me what RSI means.", "Can you explain RSI?"],
  [
    "What is the 24h volume of {a}?",
    "Tell me the 24h volume of {a}.",
    "What's {a}'s 24h volume?",
    "How much {a} was traded in 24h?",
    "Give me the 24h volume for {a}.",
  ],
  [
    "Is {a} overbought?",
    "Would you say that {a} is overbought?",
    "Is {a} currently overbought?",
    "Do you think {a} is overbought?",
    "Tell me whether {a} is overbought.",
  ],
  [
    "Analyse the risk of {a}.",
    "Please assess the risk of {a}.",
    "Evaluate {a}'s risk.",
    "Can you analyze the risk of {a}?",
    "Give me an analysis of the risk of {a}.",
  ],
  [
    "What is a good entry price for {a}?",
    "At which price should I enter {a}?",
    "Tell me a good entry price for {a}.",
    "What would be a good price to enter {a}?",
    "Good entry price for {a}?",
  ],
  [
    "Where is the support of {a}?",
    "What is the support level of {a}?",
    "Tell me the support level of {a}.",
    "What's {a}'s support level?",
    "At which level is {a}'s support?",
  ],
  [
    "Write a short report on {a}.",
    "Please write a brief report about {a}.",
    "Can you write a short report on {a}?",
    "I would like a short report on {a}.",
    "Give me a short report on {a}.",
  ],
  [
    "How correlated are {a} and {b}?",
    "What is the correlation of {a} and {b}?",
    "Tell me the correlation between {a} and {b}.",
    "How strong is the correlation between {a} and {b}?",
    "Correlation between {a} and {b}?",
  ],
  [
    "Which indicators should I use for {a}?",
    "What indicators should I use for {a}?",
    "Tell me which indicators I should use for {a}.",
    "Which indicators do you recommend for {a}?",
    "What are the best indicators for {a}?",
  ],
  [
    "Is it risky to hold {a} over the weekend?",
    "How risky is it to hold {a} over the weekend?",
    "Is holding {a} over the weekend risky?",
    "Does holding {a} over the weekend carry risk?",
    "Would it be risky to hold {a} over the weekend?",
  ],
  [
    "What moves {a} the most?",
    "Which factors move {a} the most?",
    "Tell me what moves {a} most.",
    "What are the main drivers of {a}?",
    "What drives {a} the most?",
  ],
  [
    "Give me the latest news about {a}.",
    "What is the latest news on {a}?",
    "Show me the latest news about {a}.",
    "Tell me the latest news regarding {a}.",
    "Latest {a} news, please",
  ],
  [
    "What is the funding rate of {a}?",
    "Tell me {a}'s funding rate.",
    "What's the current funding rate for {a}?",
    "How high is the funding rate of {a}?",
    "{a} funding rate?",
  ],
  [
    "What is the maximum drawdown of my portfolio?",
    "How large is my portfolio's maximum drawdown?",
    "Tell me the max drawdown of my portfolio.",
    "What's my portfolio's max drawdown?",
    "Calculate the maximum drawdown of my portfolio.",
  ],
  [
    "Should I take profit on {a} at {n} USD?",
    "Is it wise to take profit on {a} at {n} USD?",
    "Would you take profit on {a} at ${n}?",
    "Does it make sense to take profit on {a} at {n} USD?",
    "Do you recommend taking profit on {a} at {n} USD?",
  ],
  [
    "Is {a} likely to fall below {n} USD?",
    "Do you think {a} will fall below {n} USD?",
    "Is it likely that {a} falls below ${n}?",
    "Will {a} probably drop below {n} USD?",
    "How likely is {a} to fall below {n} USD?",
  ],
  [
    "How liquid is the market for {a}?",
    "What is the liquidity of the {a} market?",
    "Tell me about the liquidity of the {a} market.",
    "How much liquidity does the {a} market have?",
    "{a} market liquidity?",
  ],
  [
    "What is the spread on {a}?",
    "How wide is the spread on {a}?",
    "Tell me the spread on {a}.",
    "What's {a}'s current spread?",
    "{a} spread right now?",
  ],
  [
    "Describe the current market regime.",
    "What is the current market regime?",
    "Tell me which market regime we are in.",
    "Please describe the market regime right now.",
    "Which regime is the market in at present?",
  ],
  [
    "What happened to {a} on Monday?",
    "Tell me what happened to {a} on Monday.",
    "What went on with {a} on Monday?",
    "Can you tell me what happened to {a} on Monday?",
    "What did {a} do on Monday?",
  ],
  [
    "Should I hedge my {a} with {b}?",
    "Is it a good idea to hedge my {a} with {b}?",
    "Would you hedge my {a} with {b}?",
    "Do you recommend hedging my {a} with {b}?",
    "Does it make sense to hedge my {a} with {b}?",
  ],
  [
    "What is the dominance of {a}?",
    "How high is {a}'s dominance?",
    "Tell me the dominance of {a}.",
    "What's {a} dominance right now?",
    "{a} dominance?",
  ],
];

const ASSET_PAIRS = [
  ["BTC", "ETH"],
  ["SOL", "NVDA"],
  ["AAPL", "TSLA"],
] as const;

/** Pairs of wordings of one meaning, with assets and numbers filled in. */
export function paraphrasePairs(part: "tuned" | "held out"): { left: string; right: string }[] {
  return PARAPHRASES.flatMap((wordings, line) => {
    if ((line % 2 === 1) !== (part === "held out")) return [];
    return ASSET_PAIRS.flatMap(([a, b], index) => {
      const filled = wordings.map((text) =>
        text
          .replaceAll("{a}", a)
          .replaceAll("{b}", b)
          .replaceAll("{n}", String(7 * (index + 1))),
      );
      return filled.flatMap((left, first) => filled.slice(first + 1).map((right) => ({ left, right })));
    });
  });
}
