/** How deep the originals follow references; a value in a value is at depth two. */
const maxDepth = 10;

/** Far above any value that is meant: a few references to references are enough to fill the memory. */
const maxLength = 65_536;

/** @returns null if a reference leads nowhere, in a circle or too deep, or a `%` stands alone */
export type Interpolate = (value: string) => string | null;

type Expanded = { readonly text: string; readonly depth: number };

/**
 * Puts the value of its key in the place of each `%(key)s`, and `%` in that of `%%`, as SafeConfigParser of Python 2 does.
 *
 * @param values - as written, by keys in lower case
 */
export function createInterpolation(values: ReadonlyMap<string, string>): Interpolate {
  const known = new Map<string, Expanded | null>();

  return (value) => expand(value)?.text ?? null;

  function expand(value: string): Expanded | null {
    let [text, depth] = ['', 1];
    for (const [part, key] of value.matchAll(/%%|%\(([^)]+)\)s|%|[^%]+/g)) {
      const put = key === undefined ? literal(part) : expansionOf(key.toLowerCase());
      if (put === null) return null;
      text += put.text;
      depth = Math.max(depth, put.depth + 1);
      if (depth > maxDepth || (key !== undefined && text.length > maxLength)) return null;
    }
    return { text, depth };
  }

  function expansionOf(key: string): Expanded | null {
    const value = values.get(key);
    if (value === undefined) return null;
    if (!value.includes('%')) return { text: value, depth: 0 };
    const before = known.get(key);
    if (before !== undefined) return before;
    known.set(key, null); // as long as we are at it, whoever asks is in a circle
    const expanded = expand(value);
    known.set(key, expanded);
    return expanded;
  }
}

function literal(part: string): Expanded | null {
  if (part === '%') return null;
  return { text: part === '%%' ? '%' : part, depth: 0 };
}
