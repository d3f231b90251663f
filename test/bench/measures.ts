/** What a number counts; durations and sizes are written for people in `report.ts`. */
export type Unit =
  | 'ms'
  | 'us'
  | 'bytes'
  | 'perSecond'
  | 'cpuMs'
  | 'cpuMsPerMinute'
  | 'cpuUsPerEvent'
  | 'messages'
  | 'times';

/** One thing that is measured, and what it is held against. */
export type Measure = {
  readonly what: string;
  readonly unit: Unit;
  /** Null: told for information. */
  readonly target: { readonly atMost: number } | { readonly atLeast: number } | null;
  /** The Python agent on the same kind of machine; null where nobody measured it. */
  readonly original: number | null;
};

const MB = 1024 ** 2;

/** Every measure by its stable name, in the order of the report. */
export const measures = {
  firstStart: told('the very first start: nothing is compiled yet', 'ms'),
  start: told('process start from source -> subscribed', 'ms', { atMost: 350 }, 260),
  startCpu: told('  CPU of the agent until then', 'cpuMs'),
  started: told('complete topology -> InstanceStarted', 'ms', { atMost: 150 }, 13_000),
  activated: told('port opens -> InstanceActivated', 'ms', { atMost: 200 }, 3_300),
  readyToShutdown: told('cleanup -> InstanceReadyToShutdown, no hooks', 'ms', { atMost: 100 }, 5_000),
  freshRss: told('RSS when Active is reached', 'bytes'),
  freshAnon: told('  of it anonymous', 'bytes'),

  thriftStart: told('with Thrift configured: process start from source -> subscribed', 'ms'),
  thriftFirst: told('  Active -> first statistics at the CEP', 'ms'),
  thriftRss: told('  RSS then', 'bytes'),
  thriftAnon: told('  of it anonymous', 'bytes'),
  plainStart: told('without it, taken in turns: process start from source -> subscribed', 'ms'),
  plainRss: told('  RSS as long after Active', 'bytes'),
  plainAnon: told('  of it anonymous', 'bytes'),

  journalLine: told('a line of the journal, synced to the disk', 'us'),
  journalLineSlow: told('  99 of 100 take at most', 'us'),
  journalUnsynced: told('  the same, not synced', 'us'),
  journalUnsyncedSlow: told('  99 of 100 take at most', 'us'),

  pluginStart: told('start of the worker of a plugin', 'ms', { atMost: 60 }),
  pluginStartZod: told('  of one with options: it loads zod', 'ms'),
  pluginMemory: told('  anonymous memory of each, with options', 'bytes'),
  pluginNotice: told('a notice to a warm plugin', 'us', { atMost: 200 }),
  scriptHook: told('a hook that is a script', 'ms'),
  scriptBare: told('  the same script, merely spawned', 'ms'),
  scriptRatio: told('  as many times as long', 'times', { atMost: 1.3 }),

  smallPlaced: told('event -> 1 MB of files in place', 'ms'),
  smallCloned: told('  git clone of it', 'ms'),
  smallRatio: told('  as many times as long', 'times', { atMost: 1.2 }),
  largePlaced: told('event -> 200 MB of files in place', 'ms'),
  largeCloned: told('  git clone of it', 'ms'),
  largeRatio: told('  as many times as long', 'times', { atMost: 1.2 }),
  pollLook: told('a look at a repository that has not changed', 'ms'),
  pollQuestion: told('  git ls-remote', 'ms'),
  pollRatio: told('  as many times as long', 'times', { atMost: 1.2 }),
  pollRegular: told('  a look that looks at each file in place, too', 'ms'),

  spreadRate: told('10,000 increments, 100 clusters of 100', 'perSecond', { atLeast: 15_000 }, 4_408),
  spreadCpu: told('  CPU of the agent', 'cpuUsPerEvent'),
  spreadLost: told('  dropped by the broker', 'messages'),
  crowdRate: told('10,000 increments, 1 cluster of 10,000', 'perSecond', { atLeast: 15_000 }, 4_408),
  crowdCpu: told('  CPU of the agent', 'cpuUsPerEvent'),
  crowdLost: told('  dropped by the broker', 'messages'),
  spreadCore: told('  the core alone, 100 clusters of 100', 'perSecond'),
  crowdCore: told('  the core alone, 1 cluster of 10,000', 'perSecond'),

  bigStarted: told('58 MB topology -> InstanceStarted', 'ms', { atMost: 2_000 }, 14_600),
  bigPeak: told('58 MB topology, peak RSS', 'bytes', { atMost: 500 * MB }, 780 * MB),
  bigPeakAnon: told('  peak of anonymous, looked at every 10 ms', 'bytes'),
  bigPeakAgain: told('  peak RSS after a second one', 'bytes'),
  bigCalm: told('  RSS afterwards', 'bytes'),

  idleCpu: told('idle in Active: CPU a minute', 'cpuMsPerMinute', { atMost: 100 }, 20),
  idleRss: told('idle in Active: RSS from source', 'bytes', { atMost: 115 * MB }, 45.9 * MB),
  idleAnon: told('  of it anonymous', 'bytes'),
} as const satisfies Readonly<Record<string, Measure>>;

export type MeasureName = keyof typeof measures;

/** Takes one value of one run. */
export type Note = (name: MeasureName, value: number) => void;

function told(what: string, unit: Unit, target: Measure['target'] = null, original: number | null = null): Measure {
  return { what, unit, target, original };
}
