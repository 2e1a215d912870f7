const longestLine = 500;
const programFrame = /bellwether-program:([^\s()]+:\d+):\d+/;

/** What a person needs of an error in a program: its first line, and the place in the program where it comes from. */
export function firstErrorLine(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `threw ${String(thrown).split("\n")[0]}`.slice(0, longestLine);
  const line = `${thrown.name}: ${thrown.message}`.split("\n")[0] ?? thrown.name;
  const place = programFrame.exec(thrown.stack ?? "")?.[1];
  return `${line.slice(0, longestLine)}${place === undefined ? "" : ` (${decodeURI(place)})`}`;
}
