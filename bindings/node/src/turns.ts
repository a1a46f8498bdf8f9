/** Names and values in turns as an object. */
export function record(turns: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at + 1 < turns.length; at += 2) headers[turns[at] as string] = turns[at + 1] as string;
  return headers;
}
