import { expect } from 'vitest';
import type { GateStatus } from '../agent/hooks/gate.ts';
import { instance, never, test } from './support/hooks.ts';

const log = (word: string) => `echo ${word} >> ../order`;

test('passes when there is nothing to run', async ({ stage }) => {
  const hooks = stage.hooks();

  expect(hooks.has('startServers')).toBe(false);
  expect(await hooks.gate('startServers', {}, { signal: never() })).toEqual({ kind: 'passed' });
});

test('tells a script who we are and what happens, on stdin and in its environment', async ({ stage }) => {
  await stage.script(
    'volumeMount/10-mount',
    'cat > ../input; env > ../environment; echo "$1" > ../argument; pwd > ../pwd',
  );
  const hooks = stage.hooks();

  await hooks.gate('volumeMount', { persistenceMapping: '/dev/vdb|vol-1|/mnt/a b' }, { signal: never(), attempt: 3 });

  const input = JSON.parse(stage.lines('input').join(''));
  expect(input).toEqual({ instance, persistenceMapping: '/dev/vdb|vol-1|/mnt/a b' });
  expect(stage.lines('argument')).toEqual(['/dev/vdb|vol-1|/mnt/a b']);
  expect(stage.lines('environment')).toContain('STRATOS_VALUE1=/dev/vdb|vol-1|/mnt/a b');
  expect(stage.lines('environment')).toContain('CARTRIDGE_ATTEMPT=3');
  expect(stage.lines('environment').filter((line) => line.startsWith('npm_'))).toEqual([]);
  expect(stage.lines('pwd')).toEqual([stage.extensionsDir]);
});

test('a failing script is tried again, with its attempt counted, and then passes', async ({ stage }) => {
  await stage.script('startServers/10-moody', 'echo $CARTRIDGE_ATTEMPT >> ../order; [ $CARTRIDGE_ATTEMPT -ge 3 ]');
  const said: GateStatus[] = [];

  const outcome = await stage.hooks().gate('startServers', {}, { signal: never(), onStatus: (s) => said.push(s) });

  expect(outcome).toEqual({ kind: 'passed' });
  expect(stage.lines('order')).toEqual(['1', '2', '3']);
  expect(said.map(({ kind }) => kind)).toEqual(['retrying', 'retrying']);
});

test('a script that fails for good blocks after three retries, and nothing runs after it', async ({ stage }) => {
  await stage.script('startServers/10-broken', `${log('broken')}; echo trying; printf 'no such unit' >&2; exit 3`);
  await stage.script('startServers/20-next', log('next'));

  const outcome = await stage.hooks().gate('startServers', {}, { signal: never() });

  expect(outcome).toEqual({
    kind: 'blocked',
    by: 'failure',
    hook: 'startServers',
    executable: 'startServers/10-broken',
    reason: 'exit code 3: no such unit',
  });
  expect(stage.lines('order')).toEqual(['broken', 'broken', 'broken', 'broken']);
});

test('output on stderr is no failure', async ({ stage }) => {
  await stage.script('startServers/10-loud', 'echo warning >&2; echo warning > /dev/stderr; cat /dev/stdin > ../input');

  expect(await stage.hooks().gate('startServers', {}, { signal: never() })).toEqual({ kind: 'passed' });
  expect(JSON.parse(stage.lines('input').join(''))).toEqual({ instance });
});

test('a failing Stratos script is passed over, once, and reported', async ({ stage }) => {
  await stage.script('InstanceStartedEvent.sh', `${log('stratos')}; exit 1`);
  await stage.script('instanceStarting/10-next', log('next'));

  const outcome = await stage.hooks().gate('instanceStarting', {}, { signal: never() });

  expect(outcome).toEqual({ kind: 'passed', degraded: 'InstanceStartedEvent.sh: exit code 1' });
  expect(stage.lines('order')).toEqual(['stratos', 'next']);
  expect(stage.logged('hook.passedOver')).toMatchObject([{ code: 'HOOK_FAILED', remedy: expect.any(String) }]);
});

test.for([
  { summary: 'hold', body: 'exit 75', reason: /may hold/ },
  { summary: 'veto', body: `echo '{"veto":"no"}' >&3`, reason: /may veto: no/ },
  { summary: 'outlast its time limit', body: 'exec sleep 60', reason: /not done within its time limit/ },
])('a Stratos script that wants to $summary does not stop the lifecycle', async ({ body, reason }, { stage }) => {
  await stage.script('StartServers.sh', body);

  const outcome = await stage.hooks({ timeoutMs: 400 }).gate('startServers', {}, { signal: never() });

  expect(outcome).toEqual({ kind: 'passed', degraded: expect.stringMatching(reason) });
});

test('a held gate is asked again until it lets us pass', async ({ stage }) => {
  await stage.script(
    'instanceStarting/10-wait',
    `${log('asked')}
     [ $(wc -l < ../order) -ge 3 ] && exit 0
     echo '{"hold":"database is not there yet","retryAfter":0.05}' >&3; exit 75`,
  );
  const said: GateStatus[] = [];

  const outcome = await stage.hooks().gate('instanceStarting', {}, { signal: never(), onStatus: (s) => said.push(s) });

  expect(outcome).toEqual({ kind: 'passed' });
  const held = { kind: 'held', executable: 'instanceStarting/10-wait', text: 'database is not there yet' };
  expect(said).toEqual([held, held]);
});

test('exit code 75 alone is a hold, and so is a report of one with exit code 0', async ({ stage }) => {
  await stage.script('startServers/10-code', `${log('code')}; [ $CARTRIDGE_ATTEMPT = 2 ] || exit 75`);
  await stage.script('startServers/20-word', `${log('word')}; [ $CARTRIDGE_ATTEMPT = 2 ] || echo '{"hold":"x"}' >&3`);

  expect(await stage.hooks().gate('startServers', {}, { signal: never() })).toEqual({ kind: 'passed' });
  expect(stage.lines('order')).toEqual(['code', 'code', 'word', 'word']);
});

test('a gate held beyond its limit blocks', async ({ stage }) => {
  await stage.script('startServers/10-wait', `echo '{"hold":"not yet","retryAfter":0.1}' >&3; exit 75`);

  const outcome = await stage.hooks({}, { holdLimitMs: 500 }).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', by: 'held too long', reason: 'not yet' });
});

test('a veto blocks at once, whatever the exit code', async ({ stage }) => {
  await stage.script('artifactUpdating/50-policy', `${log('asked')}; echo '{"veto":"not on Fridays"}' >&3; exit 1`);
  const commit = { branch: null, authorDate: null, subject: null, fingerprint: null, signedBy: null };
  const why = { trigger: 'event' as const, durationMs: null };
  const input = { tenantId: '1', path: '/srv', repoUrl: 'https://x/y.git', oldCommit: null, newCommit: 'abc' };

  const outcome = await stage
    .hooks()
    .gate('artifactUpdating', { ...input, ...commit, ...why, changedPaths: [], event: null }, { signal: never() });

  expect(outcome).toEqual({
    kind: 'blocked',
    by: 'veto',
    hook: 'artifactUpdating',
    executable: 'artifactUpdating/50-policy',
    reason: 'not on Fridays',
  });
  expect(stage.lines('order')).toEqual(['asked']);
});

test.for(['drain', 'clean'] as const)(
  'during %s neither failure nor veto keeps us from leaving',
  async (gate, { stage }) => {
    await stage.script(`${gate}/10-broken`, `${log('broken')}; exit 1`);
    await stage.script(`${gate}/20-against`, `echo '{"veto":"stay"}' >&3`);
    await stage.script(`${gate}/30-unusable`, 'exit 0', 0o644);
    await stage.script(`${gate}/40-last`, log('last'));

    const outcome = await stage.hooks().gate(gate, {}, { signal: never(), budgetMs: 10_000 });

    expect(outcome).toMatchObject({
      kind: 'passed',
      degraded: expect.stringMatching(/exit code 1.*stay.*not executable/),
    });
    expect(stage.lines('order')).toEqual(['broken', 'last']);
  },
);

test('drain and clean may take longer than hook.timeout, but not longer than their budget', async ({ stage }) => {
  await stage.script('drain/10-slow', `sleep 0.6; ${log('slow')}`);
  await stage.script('clean/10-hung', 'trap "" TERM; sleep 60 & wait; wait');
  await stage.script('clean/20-late', log('late'));
  const hooks = stage.hooks({ timeoutMs: 200 }, { graceMs: 1_500 });
  expect(await hooks.gate('drain', {}, { signal: never(), budgetMs: 10_000 })).toEqual({ kind: 'passed' });
  const startedAt = performance.now();

  const outcome = await hooks.gate('clean', {}, { signal: never(), budgetMs: 500 });

  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(480);
  expect(tookMs).toBeLessThan(1_400); // not even the grace of the killed one is waited for
  expect(outcome).toMatchObject({ kind: 'passed', degraded: expect.stringMatching(/time limit.*no time left/) });
  expect(stage.lines('order')).toEqual(['slow']);
});

test('a drain that is held ends with the budget', async ({ stage }) => {
  await stage.script('drain/10-wait', `echo '{"hold":"4 connections open","retryAfter":60}' >&3`);

  const outcome = await stage.hooks().gate('drain', {}, { signal: never(), budgetMs: 500 });

  expect(outcome).toEqual({ kind: 'passed', degraded: 'drain/10-wait: 4 connections open' });
});

test('an abort while a gate is held or waits for its next try is prompt', async ({ stage }) => {
  await stage.script('startServers/10-wait', `echo '{"hold":"later","retryAfter":600}' >&3`);
  await stage.script('instanceStarting/10-broken', 'exit 1');
  const hooks = stage.hooks({}, { retryDelaysMs: [600_000] });
  const overtaken = new Error('cleanup');

  for (const gate of ['startServers', 'instanceStarting'] as const) {
    const abort = new AbortController();
    const outcome = hooks.gate(gate, {}, { signal: abort.signal, onStatus: () => abort.abort(overtaken) });
    await expect(outcome).rejects.toBe(overtaken);
  }
});
