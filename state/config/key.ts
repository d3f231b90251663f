import type { Kind } from './kinds.ts';

/** One key of the configuration: what it means, how its value is read, what holds when it is not set. */
export interface Key<V> {
  readonly kind: Kind<V>;
  /** For the people who write agent.conf. */
  readonly doc: string;
  /** As it would be written; null when not setting the key means something of its own. */
  readonly fallback: string | null;
  /** A value to show in agent.conf, where the default would not explain itself. */
  readonly example: string;
  /** `ignored`: read and checked, and never has an effect. */
  readonly effect: 'used' | 'ignored';
}

/** The value that a key has in the end. */
export type ValueOf<K> = K extends Key<infer V> ? V : never;

type Effect = { readonly effect?: Key<unknown>['effect'] };

/** Declares a key that always has a value. */
export function key<T>(
  kind: Kind<T>,
  doc: string,
  options: Effect & { readonly fallback: string; readonly example?: string },
): Key<T>;
/** Declares a key that is null when it is not set. */
export function key<T>(kind: Kind<T>, doc: string, options: Effect & { readonly example: string }): Key<T | null>;
export function key<T>(
  kind: Kind<T>,
  doc: string,
  { fallback, example = fallback ?? '', effect = 'used' }: Effect & { fallback?: string; example?: string },
): Key<T | null> {
  return { kind, doc, fallback: fallback ?? null, example, effect };
}
