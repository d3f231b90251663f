/**
 * Whether two values of the model say the same: text, numbers, lists, plain objects and maps of them. Their depth is
 * that of our types, not of what was received.
 */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (one instanceof Map) return other instanceof Map && isSameMap(one, other);
  if (Array.isArray(one)) return Array.isArray(other) && isSameList(one, other);
  return isSameObject(one as Fields, other as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function isSameMap(one: ReadonlyMap<unknown, unknown>, other: ReadonlyMap<unknown, unknown>): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (!other.has(key) || !isSame(value, other.get(key))) return false;
  return true;
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => isSame(value, other[index]));
}

/** A key that is missing is as good as one that is undefined. */
function isSameObject(one: Fields, other: Fields): boolean {
  for (const key in one) if (!isSame(one[key], other[key])) return false;
  for (const key in other) if (other[key] !== undefined && one[key] === undefined) return false;
  return true;
}
