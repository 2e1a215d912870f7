/**
 * Asked for by its name, a suite takes its time (`npm run test:integration`). Among all of them, as `npm test` runs it, it leaves out repetitions: what
 * another test of the same run does as well.
 */
export const isLongForm = process.env["BELLWETHER_LONG"] === "1";
