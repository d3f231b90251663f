/**
 * The word that `word` was probably meant to be: the one with the fewest letters inserted, deleted, replaced or
 * swapped, case and the choice of `.`, `_` and `-` not counting. Null when none is near enough to be helpful: of what
 * follows the parts that both begin with, two letters or a third may differ.
 */
export function nearestOf(word: string, known: Iterable<string>): string | null {
  const wanted = plain(word);
  let nearest: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const other = plain(candidate);
    const distance = editDistance(wanted, other);
    const mayDiffer = Math.max(2, Math.floor((wanted.length - sharedParts(wanted, other)) / 3));
    if (distance <= mayDiffer && distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** The length of the whole parts, dots included, with which both begin: `mb.tls.` */
function sharedParts(one: string, other: string): number {
  let length = 0;
  for (let index = 0; index < one.length && one[index] === other[index]; index += 1) {
    if (one[index] === '.') length = index + 1;
  }
  return length;
}

function plain(word: string): string {
  return word
    .slice(0, 100)
    .toLowerCase()
    .replace(/[\s_-]/g, '.');
}

/** Optimal string alignment: a swap of neighbours counts as one edit, as people make it. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, to.length);
}

function at(distances: readonly number[], index: number): number {
  return distances[index] ?? Number.POSITIVE_INFINITY;
}
