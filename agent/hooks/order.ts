import { AgentError } from '../../state/errors.ts';
import type { Ordered } from './runners.ts';

/** What is run for a hook is to come before itself. */
export class HookOrderError extends AgentError {
  override readonly name = 'HookOrderError';
  readonly code = 'HOOK_ORDER_CYCLE';
  readonly remedy =
    'Take one of these out of before or after of a plugin; executables are in the order of their numbers.';

  /** @param cycle - each comes before the next one, the last one is the first again */
  constructor(hook: string, cycle: readonly string[]) {
    super(`cannot order what is run for ${hook}: ${cycle.join(' before ')}`, { facts: { hook, cycle } });
  }
}

/**
 * Puts the runners of a hook into the order they are run in: by number, then by name; `before` and `after` of a plugin win
 * over its number. Executables are always in the order of theirs: a plugin that is to run before one of them is moved.
 *
 * @returns `error`: they cannot all have their way, and are in the order of numbers and names
 */
export function orderRunners<Runner extends Ordered>(
  hook: string,
  runners: readonly Runner[],
): { runners: readonly Runner[]; error: HookOrderError | null } {
  const sorted = runners.toSorted(byNumberAndName);
  const successors = successorsOf(sorted);
  const cycle = cycleIn(sorted, successors);
  if (cycle !== null) return { runners: sorted, error: new HookOrderError(hook, cycle.map(shortName)) };
  return { runners: merged(sorted, successors), error: null };
}

/**
 * Names in `before` and `after` that nothing has which is run for this hook.
 *
 * @param optional - names that need not be there
 */
export function unknownNames(
  runners: readonly Ordered[],
  optional: readonly string[] = [],
): { runner: string; unknown: string }[] {
  const known = new Set([...runners.flatMap(({ order }) => order.names), ...optional]);
  return runners.flatMap(({ name, order }) =>
    [...order.before, ...order.after].filter((word) => !known.has(word)).map((unknown) => ({ runner: name, unknown })),
  );
}

function byNumberAndName(one: Ordered, other: Ordered): number {
  return one.order.number - other.order.number || (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
}

type Successors = ReadonlyMap<Ordered, readonly Ordered[]>;

/** Whom each must come before. */
function successorsOf(sorted: readonly Ordered[]): Successors {
  const fixed = sorted.filter(({ kind }) => kind !== 'plugin');
  return new Map(
    sorted.map((runner) => {
      const next = fixed[fixed.indexOf(runner) + 1];
      const named = sorted.filter(
        (other) => runner.order.before.some(isNameOf(other)) || other.order.after.some(isNameOf(runner)),
      );
      return [runner, fixed.includes(runner) && next !== undefined ? [next, ...named] : named];
    }),
  );
}

function isNameOf({ order }: Ordered): (word: string) => boolean {
  return (word) => order.names.includes(word);
}

/** Null if there is none. */
function cycleIn(sorted: readonly Ordered[], successors: Successors): readonly Ordered[] | null {
  const cleared = new Set<Ordered>();
  const search = (runner: Ordered, path: readonly Ordered[]): readonly Ordered[] | null => {
    if (path.includes(runner)) return [...path.slice(path.indexOf(runner)), runner];
    if (cleared.has(runner)) return null;
    for (const next of successors.get(runner) ?? []) {
      const cycle = search(next, [...path, runner]);
      if (cycle !== null) return cycle;
    }
    cleared.add(runner);
    return null;
  };
  return sorted.reduce<readonly Ordered[] | null>((found, runner) => found ?? search(runner, []), null);
}

/** Whoever must come before one with a lower number counts as having that number, too. */
function merged<Runner extends Ordered>(sorted: readonly Runner[], successors: Successors): Runner[] {
  const numbers = new Map<Ordered, number>();
  const numberOf = (runner: Ordered): number => {
    const known = numbers.get(runner);
    if (known !== undefined) return known;
    const number = Math.min(runner.order.number, ...(successors.get(runner) ?? []).map(numberOf));
    numbers.set(runner, number);
    return number;
  };
  const waiting = sorted.toSorted((one, other) => numberOf(one) - numberOf(other));
  const ordered: Runner[] = [];
  while (waiting.length > 0) {
    const free = waiting.findIndex((runner) => !waiting.some((other) => successors.get(other)?.includes(runner)));
    ordered.push(...waiting.splice(free, 1));
  }
  return ordered;
}

function shortName({ order, name }: Ordered): string {
  return order.names[0] ?? name;
}
