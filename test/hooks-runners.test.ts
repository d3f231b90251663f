import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import type { GateStatus } from '../agent/hooks/gate.ts';
import { type Asked, pluginNumber, type Runner, type RunnerCall } from '../agent/hooks/runners.ts';
import type { HookName } from '../plugins/contract.ts';
import { never, test } from './support/hooks.ts';

const passed = { kind: 'passed' };
const done: Asked = { kind: 'done' };
const failed: Asked = { kind: 'failed', reason: 'no such unit' };
const veto: Asked = { kind: 'veto', reason: 'not on Fridays' };
const hold: Asked = { kind: 'hold', reason: 'not yet', retryAfterMs: 100 };
const log = (word: string) => `echo ${word} >> ../order`;

test('plugins are run among the scripts, and an order they ask for is kept', async ({ stage }) => {
  await stage.script('StartServers.sh', log('stratos'));
  await stage.script('startServers/40-early', log('early'));
  await stage.script('startServers/60-late', log('late'));
  const writing = (word: string) => () => appendFile(join(stage.folder, 'order'), `${word}\n`).then(() => done);
  const plugins = [plugin('two', writing('two'), { order: { after: ['60-late'] } }), plugin('one', writing('one'))];
  const names: string[] = [];

  const outcome = await stage
    .hooks({ plugins })
    .gate('startServers', {}, { signal: never(), onPassed: (name) => names.push(name) });

  expect(outcome).toEqual(passed);
  expect(stage.lines('order')).toEqual(['stratos', 'early', 'one', 'late', 'two']);
  expect(names).toEqual(['StartServers.sh', 'startServers/40-early', 'startServers one', 'startServers/60-late']);
});

test('a plugin is told what a hook is told, and what it says is told to people', async ({ stage }) => {
  const calls: Call[] = [];
  const plugins = [
    plugin(
      'talker',
      async (call) => {
        calls.push(call);
        call.onStatus(`attempt ${call.attempt}`);
        return call.attempt < 4 ? hold : done;
      },
      { hook: 'volumeMount' },
    ),
  ];
  const said: GateStatus[] = [];
  const input = { persistenceMapping: '/dev/vdb|vol-1|/mnt' };

  const outcome = await stage
    .hooks({ plugins }, { holdDelayMs: 1 })
    .gate('volumeMount', input, { signal: never(), attempt: 3, onStatus: (status) => said.push(status) });

  expect(outcome).toEqual(passed);
  expect(calls.map(({ name, attempt, leftMs }) => ({ name, attempt, leftMs }))).toEqual([
    { name: 'volumeMount', attempt: 3, leftMs: null },
    { name: 'volumeMount', attempt: 4, leftMs: null },
  ]);
  expect(calls[0]?.input).toEqual(input);
  expect(said).toEqual([
    { kind: 'status', executable: 'volumeMount talker', text: 'attempt 3' },
    { kind: 'held', executable: 'volumeMount talker', text: 'not yet' },
    { kind: 'status', executable: 'volumeMount talker', text: 'attempt 4' },
  ]);
});

test('a reason is one line for people, and there always is one', async ({ stage }) => {
  const reasons = ['Failed to connect: \r\n  no such unit\n\n(see journalctl)\n', ' \n'];
  const ends = reasons.map((reason) =>
    stage
      .hooks({ plugins: [plugin('php-server', async () => ({ kind: 'veto', reason }))] })
      .gate('startServers', {}, { signal: never() }),
  );

  expect(await Promise.all(ends)).toMatchObject([
    { kind: 'blocked', reason: 'Failed to connect: no such unit (see journalctl)' },
    { kind: 'blocked', reason: 'it gave no reason' },
  ]);
});

test('one an interrupted attempt has been through is not asked again', async ({ stage }) => {
  const asked: string[] = [];
  const telling = (name: string) =>
    plugin(name, async () => {
      asked.push(name);
      return done;
    });

  await stage
    .hooks({ plugins: [telling('a'), telling('b')] })
    .gate('startServers', {}, { signal: never(), passed: ['startServers a'] });

  expect(asked).toEqual(['b']);
});

test.for([
  { retries: null, runs: 4 },
  { retries: 0, runs: 1 },
  { retries: 5, runs: 6 },
])('a failure is retried as declared: $retries', async ({ retries, runs }, { stage }) => {
  const calls: Call[] = [];
  const failing = plugin('it', noting(calls, failed), { limits: { retries } });

  const outcome = await stage.hooks({ plugins: [failing] }).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({
    kind: 'blocked',
    by: 'failure',
    executable: 'startServers it',
    reason: 'no such unit',
  });
  expect(calls).toHaveLength(runs);
});

test('during clean it is tried again if that is declared, as long as there is time', async ({ stage }) => {
  const calls: Call[] = [];
  const failing = plugin('it', noting(calls, failed), { limits: { retries: 1 }, hook: 'clean' });
  const endless = plugin('so', async () => failed, { limits: { retries: 1_000_000 }, hook: 'clean' });
  const hooks = stage.hooks({ plugins: [failing, endless] }, { retryDelaysMs: [100, 60_000] });
  const startedAt = performance.now();

  const outcome = await hooks.gate('clean', {}, { signal: never(), budgetMs: 500 });

  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(calls).toHaveLength(2);
  expect(outcome).toEqual({ kind: 'passed', degraded: 'clean it: no such unit; clean so: no such unit' });
});

test.for<{ summary: string; end: () => Promise<Asked>; reason: string }>([
  { summary: 'a veto', end: async () => veto, reason: 'would have vetoed: not on Fridays' },
  { summary: 'a failure', end: async () => failed, reason: 'would have failed: no such unit' },
  { summary: 'a hold', end: async () => hold, reason: 'would have held: not yet' },
  { summary: 'a throw', end: () => Promise.reject(new Error('oops')), reason: 'would have failed: oops' },
  { summary: 'a hang', end: () => new Promise(() => {}), reason: 'would have failed: not done within its time limit' },
])('$summary of one in audit is told, once, and changes nothing', async ({ end, reason }, { stage }) => {
  let count = 0;
  const counting = () => {
    count += 1;
    return end();
  };
  const audited = plugin('it', counting, { mode: 'audit', limits: { timeoutMs: 200 } });
  const said: GateStatus[] = [];
  const reported: (string | null)[] = [];
  const hooks = stage.hooks({ plugins: [audited], onRan: (run) => reported.push(run.reason) });

  const outcome = await hooks.gate('startServers', {}, { signal: never(), onStatus: (status) => said.push(status) });

  expect(outcome).toEqual(passed);
  expect(count).toBe(1);
  expect(stage.logged('hook.audited')).toMatchObject([{ executable: 'startServers it', reason }]);
  expect(said).toEqual([{ kind: 'status', executable: 'startServers it', text: reason }]);
  expect(reported).toEqual([reason]);
});

test('one that does not end has failed at its limit, whatever it says then', async ({ stage }) => {
  const deaf = plugin('deaf', () => new Promise(() => {}), { limits: { timeoutMs: 100 } });
  const late = plugin('late', ({ signal }) => aborted(signal).then(() => done), {
    limits: { timeoutMs: 100 },
    hook: 'volumeMount',
  });
  const hooks = stage.hooks({ plugins: [deaf, late] }, { retryDelaysMs: [] });

  const outcomes = await Promise.all([
    hooks.gate('startServers', {}, { signal: never() }),
    hooks.gate('volumeMount', { persistenceMapping: '' }, { signal: never() }),
  ]);

  const refusal = { kind: 'blocked', by: 'failure', reason: 'not done within its time limit' };
  expect(outcomes).toMatchObject([refusal, refusal]);
});

test('what it says for itself at its limit is the reason', async ({ stage }) => {
  const words: Asked = { kind: 'failed', reason: 'not done within its time limit: waiting for the lock' };
  const last = plugin('last', ({ signal }) => aborted(signal).then(() => words), {
    limits: { timeoutMs: 50, retries: 0 },
  });

  const outcome = await stage.hooks({ plugins: [last] }).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ reason: words.reason });
});

test('a limit is moved by one that lives, up to ten times as far, and not by one that is done', async ({ stage }) => {
  const ends: number[] = [];
  const living = plugin(
    'living',
    async ({ signal, onExtend }) => {
      const startedAt = performance.now();
      onExtend(Number.NaN);
      onExtend(-1);
      while (!signal.aborted) {
        onExtend(Number.POSITIVE_INFINITY);
        await setTimeout(20);
      }
      ends.push(performance.now() - startedAt);
      return done;
    },
    { limits: { timeoutMs: 100, retries: 0 } },
  );

  const outcome = await stage.hooks({ plugins: [living] }).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', reason: 'not done within its time limit' });
  expect(ends[0]).toBeGreaterThan(990);
  expect(ends[0]).toBeLessThan(1_800);
});

test('within a budget nothing outlasts it, and what is declared shortens it', async ({ stage }) => {
  const calls: Call[] = [];
  const deaf = plugin('a', noting(calls, 'never'), { hook: 'drain', limits: { timeoutMs: 100 } });
  const greedy = plugin(
    'b',
    (call) => {
      calls.push(call);
      call.onExtend(60_000);
      return new Promise(() => {});
    },
    { hook: 'drain' },
  );
  const hooks = stage.hooks({ plugins: [deaf, greedy], timeoutMs: 20 });
  const startedAt = performance.now();

  const outcome = await hooks.gate('drain', {}, { signal: never(), budgetMs: 800 });

  expect(performance.now() - startedAt).toBeLessThan(1_400);
  const limits = calls.map(({ limitMs }) => limitMs);
  expect(limits[0]).toBe(100);
  expect(limits[1]).toBeGreaterThan(300);
  expect(limits[1]).toBeLessThanOrEqual(700);
  expect(outcome).toMatchObject({
    kind: 'passed',
    degraded: expect.stringMatching(/drain a: not done.*; drain b: not done/),
  });
});

test('a cleanup overtakes one that will not listen, at once, and what it says later is not heard', async ({
  stage,
}) => {
  const calls: Call[] = [];
  const deaf = plugin('deaf', noting(calls, 'never'));
  const abort = new AbortController();
  const said: GateStatus[] = [];
  const options = { signal: abort.signal, onStatus: (status: GateStatus) => said.push(status) };
  const outcome = stage.hooks({ plugins: [deaf] }).gate('startServers', {}, options);
  outcome.catch(() => {}); // looked at below
  await expect.poll(() => calls).toHaveLength(1);
  const overtaken = new Error('cleanup');

  abort.abort(overtaken);

  await expect(outcome).rejects.toBe(overtaken);
  expect(calls[0]?.signal).toMatchObject({ aborted: true, reason: overtaken });
  expect(calls[0]?.overtaken.aborted).toBe(true);
  calls[0]?.onStatus('still here');
  calls[0]?.onExtend(60_000);
  expect(said).toEqual([]);
});

test('the limit of a hold is one for all runners of a gate', async ({ stage }) => {
  const holdingFor = (name: string, ms: number) => {
    let since: number | null = null;
    return plugin(name, async () => {
      since ??= performance.now();
      return performance.now() - since >= ms ? done : hold;
    });
  };
  const hooks = stage.hooks({ plugins: [holdingFor('a', 400), holdingFor('b', 400)] }, { holdLimitMs: 600 });
  const startedAt = performance.now();

  const outcome = await hooks.gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', by: 'held too long', executable: 'startServers b' });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test('plugins whose order is a circle are run all the same, and it is told', async ({ stage }) => {
  const circle = [
    plugin('b', async () => done, { order: { before: ['a'] } }),
    plugin('a', async () => done, { order: { before: ['b'] } }),
  ];
  const hooks = stage.hooks({ plugins: circle });

  const outcome = await hooks.gate('startServers', {}, { signal: never() });
  await hooks.gate('startServers', {}, { signal: never() });

  expect(outcome).toEqual({ kind: 'passed', degraded: expect.stringContaining('a before b before a') });
  expect(stage.logged('hook.disordered')).toMatchObject([{ code: 'HOOK_ORDER_CYCLE' }]);
});

test('a folder of scripts that is none keeps plugins from nothing but a start', async ({ stage }) => {
  await stage.script('../extensions/clean', 'a file');
  await stage.script('../extensions/memberStarted', 'a file');
  const told: Call[] = [];
  const telling = (hook: HookName) => plugin('it', noting(told, done), { hook });
  const hooks = stage.hooks({ plugins: [telling('clean'), telling('memberStarted')] });

  const outcome = await hooks.gate('clean', {}, { signal: never(), budgetMs: 1_000 });
  hooks.notify('memberStarted', { memberId: 'm1', clusterId: 'c1', status: 'Starting', member: {} });
  await hooks.settle(5_000);

  expect(outcome).toMatchObject({ kind: 'passed', degraded: expect.stringContaining('cannot look into') });
  expect(told.map(({ name }) => name)).toEqual(['clean', 'memberStarted']);
  expect(stage.logged('notice.failed')).toMatchObject([{ code: 'HOOK_FOLDER_UNREADABLE' }]);
});

test('notices are told to plugins in order, a failed one again as often as it says, and nothing else comes of it', async ({
  stage,
}) => {
  const told: Record<string, Call[]> = { a: [], b: [], c: [] };
  const telling = (name: string, end: Asked, retries: number | null = null) =>
    plugin(name, noting(told[name] ?? [], end), { hook: 'memberStarted', limits: { retries } });
  const plugins = [telling('a', failed, 2), telling('b', veto), telling('c', done)];
  const hooks = stage.hooks({ plugins }, { retryDelaysMs: [1, 1, 1] });
  expect(hooks.has('memberStarted')).toBe(true);
  expect(hooks.has('memberActivated')).toBe(false);

  hooks.notify('memberStarted', { memberId: 'm1', clusterId: 'c1', status: 'Starting', member: {} });
  await hooks.settle(5_000);

  expect(Object.values(told).map((calls) => calls.map(({ attempt }) => attempt))).toEqual([[1, 2, 3], [1], [1]]);
  expect(stage.logged('notice.failed').map(({ executable }) => executable)).toEqual([
    'memberStarted a',
    'memberStarted b',
  ]);
});

type Call = RunnerCall<HookName>;

/** Keeps its calls, and ends as it is told, or not at all. */
function noting(calls: Call[], end: Asked | 'never') {
  return (call: Call): Promise<Asked> => {
    calls.push(call);
    return end === 'never' ? new Promise(() => {}) : Promise.resolve(end);
  };
}

type Change = {
  hook?: HookName;
  mode?: Runner['mode'];
  order?: { before?: string[]; after?: string[] };
  limits?: Partial<Runner['limits']>;
};

/** Stands for a function of a plugin, as the host of plugins offers it. */
function plugin(name: string, run: (call: Call) => Promise<Asked>, change: Change = {}) {
  const { hook = 'startServers', mode = 'enforce', order = {}, limits = {} } = change;
  const runner: Runner = {
    name: `${hook} ${name}`,
    kind: 'plugin',
    order: { names: [name], number: pluginNumber, before: [], after: [], ...order },
    limits: { timeoutMs: null, retries: null, ...limits },
    mode,
    run: (call) => run(call),
  };
  return { hook, runner };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
