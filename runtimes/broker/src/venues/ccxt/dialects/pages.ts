import { leftOpen } from "./refusals.ts";

/** Beyond this an answer is not read to its end: nothing an order or a day leads to is that long. */
const mostPages = 100;

export interface Paging<Row> {
  readonly exchange: string;
  /** Rows of a full page. */
  readonly limit: number;
  /** One page: what lies beyond the rows read so far; the first one has none before it. */
  readonly read: (before: readonly Row[]) => Promise<readonly Row[]>;
}

/**
 * All pages of a list. A page that is not full is the last one; rows that two pages share are left to whoever knows their ids.
 *
 * @throws CodedError VENUE_UNREACHABLE: it has more pages than anybody reads, so that nothing is known of the rest
 */
export async function allPages<Row>({ exchange, limit, read }: Paging<Row>): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let page = 1; page <= mostPages; page += 1) {
    const more = await read(rows);
    rows.push(...more);
    if (more.length < limit) return rows;
  }
  throw leftOpen({ exchange }, `a list of more than ${mostPages} pages`);
}
