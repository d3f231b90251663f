import { setTimeout as pause } from 'node:timers/promises';
import { describe, test as plainTest } from 'vitest';
import type { Broker } from '../agent/broker/broker.ts';
import { publishStatistics, type StatisticsParts } from '../agent/health/health.ts';
import { createReaders, type HealthReader, type Statistics } from '../agent/health/readers.ts';
import { expect } from './support/current-test.ts';
import { type RecordedLog, recordedLog } from './support/link.ts';

const reporter = {
  clusterId: 'php.cluster',
  clusterInstanceId: 'i-1',
  networkPartitionId: null,
  memberId: 'm-1',
  partitionId: 'p-1',
};

/** A connection, as far as statistics need one. */
type Wire = Pick<Broker, 'link' | 'onLink' | 'publish'> & {
  readonly texts: readonly string[];
  readonly sent: readonly Readonly<Record<string, unknown>>[];
  /** How often a statistic of that name was sent. */
  count(name: string): number;
  turn(link: 'up' | 'down'): void;
  /** As when nobody takes what was written: the end of a write is never told. */
  isStuck: boolean;
};

type Begin = (options?: BeginOptions) => Running;
type BeginOptions = Partial<Pick<StatisticsParts, 'measure'>> & {
  readonly plugins?: readonly HealthReader[];
  readonly limitMs?: number;
  readonly intervalMs?: number;
  readonly enabled?: boolean;
  readonly wire?: Wire;
};
type Running = { readonly wire: Wire; readonly rounds: readonly Statistics[]; stop(): Promise<void> };

const test = plainTest.extend<{ log: RecordedLog; begin: Begin }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  log: async ({}, use) => {
    await use(recordedLog());
  },
  begin: async ({ log: { log } }, use) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    const publishing: Promise<unknown>[] = [];
    await use(
      ({ plugins = [], limitMs = 5_000, intervalMs = 20, enabled = true, wire = createWire(), ...own } = {}) => {
        const rounds: Statistics[] = [];
        const readers = createReaders(() => plugins.map((plugin) => ({ ...plugin })), { log, limitMs });
        const parts = { broker: wire, log, readers, onSent: (values: Statistics) => void rounds.push(values), ...own };
        const ended = publishStatistics({ reporter, enabled, intervalMs, signal }, parts).catch(() => {});
        publishing.push(ended);
        const stop = () => {
          stopping.abort();
          return ended;
        };
        return { wire, rounds, stop };
      },
    );
    stopping.abort();
    await Promise.all(publishing);
  },
});

describe('statistics', () => {
  test('are memory and then load, as they go over the wire', async ({ begin }) => {
    const measure = async () => ({ memory_consumption: 61.5, load_average: 37.25 });
    const { wire } = begin({ measure, intervalMs: 59_000 });
    await expect.poll(() => wire.sent.length).toBe(2);

    const ids = '{"clusterId":"php.cluster","clusterInstanceId":"i-1","memberId":"m-1","partitionId":"p-1"';
    const texts = wire.texts.map((text) => text.replace(/"timestamp":\d{13}}/, '"timestamp":NOW}'));
    expect(texts).toEqual([
      `${ids},"healthDescription":"memory_consumption","value":61.5,"timestamp":NOW}`,
      `${ids},"healthDescription":"load_average","value":37.25,"timestamp":NOW}`,
    ]);
    expect(Math.abs(Number(wire.sent[0]?.['timestamp']) - Date.now())).toBeLessThan(60_000);
  });

  test('are sent with each link, and not without one', async ({ begin, log }) => {
    const { wire, rounds } = begin({ intervalMs: 59_000, wire: createWire('down') });
    wire.turn('up');
    await expect.poll(() => wire.count('load_average')).toBe(1);
    wire.turn('down');
    wire.turn('up');
    await expect.poll(() => wire.count('load_average')).toBe(2);

    expect(rounds).toHaveLength(2);
    expect(log.lines('statistics.started')).toHaveLength(1);
  });

  test('that cannot be sent are dropped, and the next ones are sent', async ({ begin, log }) => {
    const { wire } = begin();
    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(0);
    wire.turn('down');
    await expect.poll(() => log.lines('statistics.dropped').length).toBeGreaterThan(1);
    const before = wire.count('load_average');
    wire.turn('up');

    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(before + 2);
  });

  test('go on when the end of a write is never told', async ({ begin }) => {
    const { wire } = begin();
    wire.isStuck = true;
    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(3);
    wire.isStuck = false;
    const before = wire.count('load_average');

    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(before + 2);
  });

  test('that are not wanted are not sent; plugins are asked all the same', async ({ begin, log }) => {
    let asked = 0;
    const read = async () => ({ requests: ++asked });
    const { wire } = begin({ plugins: [{ name: 'web', read }], enabled: false });

    await expect.poll(() => asked).toBeGreaterThan(2);

    expect(wire.sent).toEqual([]);
    expect(log.lines('statistics.started')).toEqual([]);
  });

  test('end with the signal', async ({ begin }) => {
    const late = Promise.withResolvers<Statistics>();
    const { wire, stop } = begin({ plugins: [{ name: 'late', read: () => late.promise }] });
    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(0);

    await stop();
    const { length } = wire.sent;
    late.resolve({ requests: 1 });
    wire.turn('up');
    await pause(0);

    expect(wire.sent).toHaveLength(length);
    expect(wire.count('requests')).toBe(0);
  });
});

describe('what plugins measure', () => {
  test('is sent beside memory and load', async ({ begin, log }) => {
    const read = async () => ({ requests_per_second: 12.5, queue_2: 0 });
    const { wire, rounds } = begin({ plugins: [{ name: 'web', read }] });
    await expect.poll(() => wire.count('queue_2')).toBeGreaterThan(1);

    const values = wire.sent.map(({ healthDescription, value }) => [healthDescription, value]);
    expect(values).toContainEqual(['requests_per_second', 12.5]);
    expect(values).toContainEqual(['queue_2', 0]);
    expect(wire.count('load_average')).toBeGreaterThan(1);
    expect(Object.keys(rounds[0] ?? {})).toEqual(['memory_consumption', 'load_average']);
    expect(log.lines('statistics.readerFailed')).toEqual([]);
  });

  test('delays nothing when it hangs: neither the agent’s own, nor other plugins’', async ({ begin, log }) => {
    let asked = 0;
    const hung: HealthReader = {
      name: 'hung',
      read: () => {
        asked += 1;
        return new Promise(() => {});
      },
    };
    const well: HealthReader = { name: 'well', read: async () => ({ requests: 1 }) };
    const { wire } = begin({ plugins: [hung, well], limitMs: 100 });

    await expect.poll(() => wire.count('load_average')).toBeGreaterThan(20);

    expect(wire.count('requests')).toBeGreaterThan(15);
    expect(asked).toBe(1);
    await expect
      .poll(() => log.lines('statistics.readerFailed'))
      .toMatchObject([{ reader: 'hung', problem: 'no answer in time', limitMs: 100, level: 'warn' }]);
  });

  test('is left out when it comes too late, and asked for again', async ({ begin }) => {
    const slow = Promise.withResolvers<Statistics>();
    let asked = 0;
    const read = async (signal: AbortSignal) => {
      asked += 1;
      if (asked > 1) return { requests: asked };
      signal.addEventListener('abort', () => slow.resolve({ requests: 1 }), { once: true });
      return await slow.promise;
    };
    const { wire } = begin({ plugins: [{ name: 'slow', read }], limitMs: 50 });

    await expect.poll(() => wire.count('requests')).toBeGreaterThan(1);

    const values = wire.sent
      .filter(({ healthDescription }) => healthDescription === 'requests')
      .map(({ value }) => value);
    expect(values[0]).toBe(2);
  });

  const broken: readonly { problem: string; read: () => unknown }[] = [
    {
      problem: 'failed',
      read: () => {
        throw new Error('at once');
      },
    },
    { problem: 'failed', read: () => Promise.reject(new Error('later')) },
    { problem: 'failed', read: () => Promise.reject(undefined) },
    { problem: 'no numbers by name', read: () => null },
    { problem: 'no numbers by name', read: () => undefined },
    { problem: 'no numbers by name', read: () => [1, 2] },
    { problem: 'no numbers by name', read: () => 7 },
    { problem: 'no finite number', read: () => ({ requests: Number.NaN }) },
    { problem: 'no finite number', read: () => ({ requests: Number.POSITIVE_INFINITY }) },
    { problem: 'no finite number', read: () => ({ requests: '7' }) },
    { problem: 'no finite number', read: () => ({ requests: 7n }) },
    { problem: 'a name of the agent', read: () => ({ memory_consumption: 1 }) },
    { problem: 'a name of the agent', read: () => ({ load_average: 1 }) },
    { problem: 'a name of the agent', read: () => ({ ports_not_open: 1 }) },
    { problem: 'a name that is not 1 to 64 of a-z, 0-9 and _', read: () => ({ 'ports_not_open ': 1 }) },
    { problem: 'a name that is not 1 to 64 of a-z, 0-9 and _', read: () => ({ 'requests\n': 1 }) },
    { problem: 'a name that is not 1 to 64 of a-z, 0-9 and _', read: () => ({ '': 1 }) },
    { problem: 'a name that is not 1 to 64 of a-z, 0-9 and _', read: () => ({ Requests: 1 }) },
    { problem: 'a name that is not 1 to 64 of a-z, 0-9 and _', read: () => ({ ['a'.repeat(65)]: 1 }) },
  ];

  test('is left out where it is wrong, told once, and costs nothing else', async ({ begin, log }) => {
    const readers = broken.map(({ read }, index): HealthReader => {
      return { name: `broken-${index}`, read: read as HealthReader['read'] };
    });
    const half = { name: 'half', read: async () => ({ good: 1, Bad: 2, worse: Number.NaN }) };
    const { wire } = begin({
      measure: async () => ({ memory_consumption: 11, load_average: 22 }),
      plugins: [...readers, half],
    });

    await expect.poll(() => wire.count('good')).toBeGreaterThan(5);

    const sent = new Set(wire.sent.map(({ healthDescription, value }) => `${healthDescription} ${value}`));
    expect(sent).toEqual(new Set(['memory_consumption 11', 'load_average 22', 'good 1']));
    const told = log.lines('statistics.readerFailed').map(({ reader, problem }) => `${reader}: ${problem}`);
    expect(told.sort()).toEqual(
      [
        ...broken.map(({ problem }, index) => `broken-${index}: ${problem}`),
        'half: a name that is not 1 to 64 of a-z, 0-9 and _',
        'half: no finite number',
      ].sort(),
    );
  });

  test('has a name of its own: the first plugin keeps it', async ({ begin, log }) => {
    const first = { name: 'first', read: async () => ({ requests: 1 }) };
    const second = { name: 'second', read: async () => ({ requests: 2, sessions: 3 }) };
    const { wire } = begin({ plugins: [first, second] });

    await expect.poll(() => wire.count('sessions')).toBeGreaterThan(2);

    const values = wire.sent.flatMap(({ healthDescription, value }) =>
      healthDescription === 'requests' ? [value] : [],
    );
    expect(new Set(values)).toEqual(new Set([1]));
    expect(log.lines('statistics.readerFailed')).toMatchObject([
      { reader: 'second', problem: 'a name of another plugin', statistic: 'requests' },
    ]);
  });

  test('has 32 names at most, however often they change', async ({ begin, log }) => {
    let asked = 0;
    const read = async () => {
      asked += 1;
      return Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`n_${asked}_${index}`, index]));
    };
    const { wire } = begin({ plugins: [{ name: 'many', read }] });

    await expect.poll(() => asked).toBeGreaterThan(4);

    const names = new Set(wire.sent.map(({ healthDescription }) => healthDescription));
    expect(names.size).toBe(2 + 32);
    expect(log.lines('statistics.readerFailed')).toMatchObject([{ reader: 'many', problem: 'too many names' }]);
  });
});

function createWire(first: 'up' | 'down' = 'up'): Wire {
  const sent: Record<string, unknown>[] = [];
  const texts: string[] = [];
  const listeners = new Set<(link: 'up' | 'down') => void>();
  const state = { link: first };
  return {
    texts,
    sent,
    isStuck: false,
    get link() {
      return state.link;
    },
    turn(link) {
      state.link = link;
      for (const listener of listeners) listener(link);
    },
    onLink(listener, signal) {
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener));
    },
    count: (name) => sent.filter(({ healthDescription }) => healthDescription === name).length,
    async publish(topic, payload, { qos }) {
      if (state.link === 'down') throw new Error('no link');
      if (topic !== 'health/statistics/HealthStatisticsEvent' || qos !== 0) throw new Error(`sent to ${topic}`);
      texts.push(String(payload));
      sent.push(JSON.parse(String(payload)));
      if (this.isStuck) await new Promise(() => {});
    },
  };
}
