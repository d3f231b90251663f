/** A map that nobody can change; printed with the number of its entries only, for values may be secret. */
export function readOnlyMap<K, V>(entries: Iterable<readonly [K, V]>): ReadonlyMap<K, V> {
  const map = new Map(entries);
  const refuse = () => {
    throw new TypeError('cannot change a map of the configuration');
  };
  const print = () => `Map(${map.size}) [redacted]`;
  for (const change of ['set', 'delete', 'clear'] as const) Object.defineProperty(map, change, { value: refuse });
  Object.defineProperty(map, Symbol.for('nodejs.util.inspect.custom'), { value: print });
  return Object.freeze(map);
}

/** Freezes plain objects and arrays, all the way down, and returns them. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
