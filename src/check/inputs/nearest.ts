/** The nearest of many words: what was probably meant. */

/** @param within how many letters may differ; nearest first */
export function nearest(word: string, all: readonly string[], within: number): readonly string[] {
  const wanted = word.toLowerCase();
  return all
    .filter((one) => Math.abs(one.length - wanted.length) <= within)
    .map((one) => ({ one, distance: distance(wanted, one.toLowerCase()) }))
    .filter((entry) => entry.distance <= within)
    .sort((a, b) => a.distance - b.distance)
    .map(({ one }) => one);
}

/** Letters to put in, leave out or change. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
