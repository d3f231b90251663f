import { failure, type Log } from '../log.ts';

/** Numbers by name. */
export type Statistics = Readonly<Record<string, number>>;

/** Measures something besides memory and load. */
export type HealthReader = {
  /** Of the plugin, for people. */
  readonly name: string;
  /** @param signal - aborts at the limit; whoever goes on is not asked again until it has answered */
  readonly read: (signal: AbortSignal) => Promise<Statistics>;
};

/** Asks all at once; each answers within the limit, with nothing if need be, and never rejects. */
export type Readers = () => readonly Promise<Statistics>[];

/** A reader may have so many names: each is a message, every few seconds. */
const namesAtMost = 32;
const complaintsAtMost = 1_000;
/** Ours, and one that would make the member faulty at once. @see protocol.md section 9.3 */
const reserved = new Set(['memory_consumption', 'load_average', 'ports_not_open']);

/**
 * What is wrong with a reader costs its own numbers alone, and is told once. A name is that of the reader who was first
 * with it: the platform would take two for one.
 *
 * @param readersNow - there may be others each time, known by their names
 * @param options - `limitMs`: how long a reader may take, and so how old a number may be
 */
export function createReaders(
  readersNow: () => readonly HealthReader[],
  { log, limitMs = 5_000 }: { log: Log; limitMs?: number },
): Readers {
  const busy = new Set<string>();
  const told = new Set<string>();
  const owners = new Map<string, string>();

  async function ask({ name, read }: HealthReader): Promise<Statistics> {
    if (busy.has(name)) return {};
    busy.add(name);
    const limit = createLimit(limitMs);
    const answer = (async () => await read(limit.signal))().finally(() => busy.delete(name));
    try {
      return checked(name, await Promise.race([answer, limit.passed]));
    } catch (thrown) {
      if (limit.signal.aborted) complain(name, 'no answer in time', { limitMs });
      else complain(name, 'failed', failure(thrown));
      return {};
    } finally {
      limit.clear();
    }
  }

  function checked(reader: string, values: unknown): Statistics {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      complain(reader, 'no numbers by name');
      return {};
    }
    const good = Object.entries(values).filter(([name, value]) => {
      const problem = problemWith(reader, name, value);
      if (problem !== null) complain(reader, problem, { statistic: name.slice(0, 100) });
      return problem === null;
    });
    return Object.fromEntries(good);
  }

  function problemWith(reader: string, name: string, value: unknown): string | null {
    if (reserved.has(name)) return 'a name of the agent';
    if (!/^[a-z0-9_]{1,64}$/.test(name)) return 'a name that is not 1 to 64 of a-z, 0-9 and _';
    if (!Number.isFinite(value)) return 'no finite number';
    const owner = owners.get(name);
    if (owner !== undefined) return owner === reader ? null : 'a name of another plugin';
    if ([...owners.values()].filter((other) => other === reader).length >= namesAtMost) return 'too many names';
    owners.set(name, reader);
    return null;
  }

  function complain(reader: string, problem: string, facts: object = {}): void {
    const key = JSON.stringify([reader, problem]);
    if (told.has(key) || told.size >= complaintsAtMost) return;
    told.add(key);
    log.warn({ event: 'statistics.readerFailed', reader, problem, ...facts }, 'statistics of a plugin are left out');
  }

  return () => readersNow().map(ask);
}

/** Not `AbortSignal.timeout`: nothing is to be left of it once there is an answer. */
function createLimit(limitMs: number) {
  const limit = new AbortController();
  const passed = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    limit.abort(new Error(`not done within ${limitMs} ms`));
    passed.reject(limit.signal.reason);
  }, limitMs).unref();
  return { signal: limit.signal, passed: passed.promise, clear: () => clearTimeout(timer) };
}
