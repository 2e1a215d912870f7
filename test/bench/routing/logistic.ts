/** Weights of named features, and the constant. */
export interface Fit<Name extends string> {
  readonly weights: Readonly<Record<Name, number>>;
  readonly constant: number;
}

const ROUNDS = 500;
const RIDGE = 5;

/** Logistic regression by gradient descent on standardised features, with a ridge. Deterministic. */
export function fitLogistic<Name extends string>(
  rows: readonly Readonly<Record<Name, number>>[],
  happened: readonly boolean[],
): Fit<Name> {
  const names = Object.keys(rows[0] ?? {}) as Name[];
  const mean = names.map((name) => rows.reduce((sum, row) => sum + row[name], 0) / rows.length);
  const deviation = names.map(
    (name, index) => Math.sqrt(rows.reduce((sum, row) => sum + (row[name] - mean[index]!) ** 2, 0) / rows.length) || 1,
  );
  const standard = rows.map((row) => names.map((name, index) => (row[name] - mean[index]!) / deviation[index]!));
  let weights = names.map(() => 0);
  let constant = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const slope = weights.map((weight) => RIDGE * weight);
    let lift = 0;
    for (const [index, row] of standard.entries()) {
      const sum = row.reduce((total, value, column) => total + value * weights[column]!, constant);
      const error = 1 / (1 + Math.exp(-sum)) - Number(happened[index]);
      lift += error;
      for (const [column, value] of row.entries()) slope[column]! += error * value;
    }
    weights = weights.map((weight, column) => weight - slope[column]! / rows.length);
    constant -= lift / rows.length;
  }
  const scaled = weights.map((weight, column) => weight / deviation[column]!);
  return {
    weights: Object.fromEntries(names.map((name, column) => [name, scaled[column]!])) as Record<Name, number>,
    constant: constant - scaled.reduce((sum, weight, column) => sum + weight * mean[column]!, 0),
  };
}

export function applyFit<Name extends string>({ weights, constant }: Fit<Name>, row: Readonly<Record<Name, number>>): number {
  return Object.entries<number>(weights).reduce((sum, [name, weight]) => sum + weight * row[name as Name], constant);
}
