import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { never, processesIn, test } from './support/hooks.ts';

const passed = { kind: 'passed' };
const once = { retryDelaysMs: [] };

test('at its limit the whole group is ended, also those who will not listen', async ({ stage }) => {
  await stage.script(
    'startServers/10-deaf',
    `trap '' TERM; (trap '' TERM; echo $$ > ../started; exec tail -f ${stage.folder}/log) & exec tail -f ${stage.folder}/log`,
  );

  const outcome = await stage.hooks({ timeoutMs: 500 }, once).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', by: 'failure', reason: 'not done within its time limit' });
  expect(stage.lines('started')).toHaveLength(1);
  expect(processesIn(stage.folder)).toEqual([]);
});

test('a script may tidy up between TERM and KILL', async ({ stage }) => {
  await stage.script('startServers/10-tidy', `trap 'echo tidy > ../order; exit 0' TERM; sleep 60 & wait`);

  const outcome = await stage
    .hooks({ timeoutMs: 300 }, { ...once, graceMs: 20_000 })
    .gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', reason: 'not done within its time limit' });
  expect(stage.lines('order')).toEqual(['tidy']);
});

test('a child in a session of its own that holds the output does not hold a hook beyond its limit', async ({
  stage,
}) => {
  await stage.script(
    'startServers/10-wait',
    `setsid sh -c 'echo $$ > ../pid; exec sleep 300' & exec tail -f ${stage.folder}/log`,
  );

  const outcome = await stage.hooks({ timeoutMs: 500 }, once).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', reason: 'not done within its time limit' });
  await expect.poll(() => stage.logged('hook.outputHeld')).toHaveLength(1);
  const pid = Number(stage.lines('pid')[0]);
  expect(stage.logged('hook.outputHeld')).toMatchObject([{ holders: [{ pid, command: 'sleep' }] }]);
  expect(process.kill(pid)).toBe(true); // it was there to be ended
});

test('an abort is prompt even if the script will not listen, and nothing is left after close', async ({ stage }) => {
  await stage.script(
    'startServers/10-deaf',
    `trap '' TERM; echo on > ../started; tail -f ${stage.folder}/log & wait; wait`,
  );
  const hooks = stage.hooks({}, { graceMs: 1_500 });
  const abort = new AbortController();
  const outcome = hooks.gate('startServers', {}, { signal: abort.signal });
  outcome.catch(() => {}); // looked at below
  await expect.poll(() => stage.lines('started')).toEqual(['on']);
  const overtaken = new Error('cleanup');
  const abortedAt = performance.now();

  abort.abort(overtaken);

  await expect(outcome).rejects.toBe(overtaken);
  expect(performance.now() - abortedAt).toBeLessThan(1_000);
  expect(processesIn(stage.folder)).not.toEqual([]);
  await hooks.close();
  expect(processesIn(stage.folder)).toEqual([]);
});

test('closing ends the gate that is running, and waits until its script is gone', async ({ stage }) => {
  await stage.script(
    'startServers/10-deaf',
    `trap '' TERM; echo on > ../started; tail -f ${stage.folder}/log & wait; wait`,
  );
  const hooks = stage.hooks();
  const outcome = hooks.gate('startServers', {}, { signal: never() });
  outcome.catch(() => {}); // looked at below
  await expect.poll(() => stage.lines('started')).toEqual(['on']);

  await hooks.close();

  expect(processesIn(stage.folder)).toEqual([]);
  await expect(outcome).rejects.toThrow('the agent stops');
});

test('a gate is not even begun once its signal has aborted, or the hooks are closed', async ({ stage }) => {
  await stage.script('startServers/10-it', 'echo ran > ../order');
  const hooks = stage.hooks();
  await expect(hooks.gate('startServers', {}, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  await hooks.close();

  await expect(hooks.gate('startServers', {}, { signal: never() })).rejects.toThrow('the agent stops');

  expect(stage.lines('order')).toEqual([]);
});

test('a child that holds the output open neither holds the hook nor dies of it, and is named', async ({ stage }) => {
  await stage.script(
    'startServers/10-daemon',
    `(while [ ! -e ../stop ]; do echo still here || exit 1; sleep 0.02; done; echo stopped > ../order) & exit 0`,
  );

  expect(await stage.hooks().gate('startServers', {}, { signal: never() })).toEqual(passed);

  const named = [{ holders: expect.arrayContaining([{ pid: expect.any(Number), command: '10-daemon' }]) }];
  await expect.poll(() => stage.logged('hook.outputHeld')).toMatchObject(named);
  expect(stage.lines('order')).toEqual([]);
  await stage.script('../stop', '');
  await expect.poll(() => stage.lines('order')).toEqual(['stopped']);
});

test('a daemon in a session of its own stays after success', async ({ stage }) => {
  await stage.script(
    'startServers/10-daemon',
    `setsid sh -c 'echo $$ > ../pid; exec sleep 300' > /dev/null 2>&1 3>&- &`,
  );
  const hooks = stage.hooks();

  const outcome = await hooks.gate('startServers', {}, { signal: never() });
  await hooks.close();

  expect(outcome).toEqual(passed);
  await expect.poll(() => stage.lines('pid')).toHaveLength(1);
  const pid = Number(stage.lines('pid')[0]);
  expect(process.kill(pid)).toBe(true); // it was there to be ended
  expect(stage.logged('hook.outputHeld')).toEqual([]);
});

test.for(['a file', 'a socket, for want of a temporary folder'])(
  '100 MB on stdin that is %s need not be read',
  async (kind, { stage }) => {
    await stage.script('completeTopology/10-deaf', 'echo told > ../order');
    await stage.script('completeTopology/20-half', 'head -c 30 | tail -c 10 >> ../order; echo >> ../order');
    await stage.script('completeTopology/30-whole', 'wc -c >> ../order');
    const hooks = stage.hooks({}, {}, kind === 'a file' ? stage.temporaryFolder : join(stage.folder, 'none'));
    const topology = Buffer.alloc(100_000_000, 'x');

    hooks.notify('completeTopology', { topology, members: '{}' });
    await hooks.settle(30_000);

    const [first, second, third] = stage.lines('order');
    expect([first, second]).toEqual(['told', 'ationId":"']);
    expect(Number(third)).toBeGreaterThan(100_000_000);
  },
);

test('what is too long for a variable is in a private file, which is gone afterwards', async ({ stage }) => {
  await stage.script(
    'CompleteTopologyEvent.sh',
    `stat -c %a "$STRATOS_TOPOLOGY_JSON_FILE" "$(dirname "$STRATOS_TOPOLOGY_JSON_FILE")" > ../modes
     cp "$STRATOS_TOPOLOGY_JSON_FILE" ../copy; echo "$STRATOS_TOPOLOGY_JSON_FILE" > ../path
     echo "\${STRATOS_TOPOLOGY_JSON-none} $STRATOS_MEMBER_LIST_JSON" > ../variables
     cat > ../input`,
  );
  const topology = `{"services": [${'"é", '.repeat(100_000)}1e400]}`; // no parser gives this back as it was
  const hooks = stage.hooks();

  hooks.notify('completeTopology', { topology, members: '{"m1": {}}' });
  await hooks.settle(20_000);

  expect(stage.lines('modes')).toEqual(['600', '700']);
  expect(readFileSync(join(stage.folder, 'copy'), 'utf8')).toBe(topology);
  expect(stage.lines('variables')).toEqual(['none {"m1": {}}']);
  expect(stage.lines('input').join('')).toContain(`,"topology":${topology},"members":{"m1": {}}}`);
  expect(existsSync(stage.lines('path')[0] ?? '/')).toBe(false);
});

test('a script may move its limit', async ({ stage }) => {
  await stage.script('startServers/10-slow', `echo '{"extend":20}' >&3; sleep 0.8`);

  expect(await stage.hooks({ timeoutMs: 400 }, once).gate('startServers', {}, { signal: never() })).toEqual(passed);
});

test('what a script adds to its limit is added to what is left of it', async ({ stage }) => {
  const adding = `for n in 1 2 3; do echo '{"extend":0.5}' >&3; done`;
  await stage.script('startServers/10-slow', `${adding}; sleep 1.5`);
  await stage.script('volumeMount/10-slower', `${adding}; sleep 60`);
  const hooks = stage.hooks({ timeoutMs: 1_000 }, once);
  const startedAt = performance.now();

  expect(await hooks.gate('startServers', {}, { signal: never() })).toEqual(passed);
  const slower = await hooks.gate('volumeMount', { persistenceMapping: '' }, { signal: never() });

  expect(slower).toMatchObject({ kind: 'blocked', reason: 'not done within its time limit' });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('but only up to ten times as far, and never beyond a budget', async ({ stage }) => {
  const extending = `while :; do echo '{"extend":600}' >&3; sleep 0.05; done`;
  await stage.script('startServers/10-endless', extending);
  await stage.script('drain/10-endless', extending);
  const hooks = stage.hooks({ timeoutMs: 300 }, once);
  const startedAt = performance.now();

  const [starting, draining] = await Promise.all([
    hooks.gate('startServers', {}, { signal: never() }),
    hooks.gate('drain', {}, { signal: never(), budgetMs: 300 }).then((outcome) => {
      expect(performance.now() - startedAt).toBeLessThan(2_900);
      return outcome;
    }),
  ]);

  expect(starting).toMatchObject({ reason: 'not done within its time limit' });
  expect(performance.now() - startedAt).toBeGreaterThan(2_900);
  expect(draining).toMatchObject({ degraded: expect.stringContaining('not done within its time limit') });
});

test.for([
  { summary: 'is killed', body: 'kill -9 $$', reason: 'killed by SIGKILL' },
  { summary: 'closes all it was given', body: 'exec 0<&- 1>&- 2>&- 3>&-; exit 9', reason: 'exit code 9' },
])('a script that $summary is only a failed script', async ({ body, reason }, { stage }) => {
  await stage.script('startServers/10-odd', body);

  const outcome = await stage.hooks({}, once).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', by: 'failure', reason });
});

test('a script without a first line is one for sh, and what is no program at all has failed', async ({ stage }) => {
  await stage.script('startServers/10-sh', '');
  await writeFile(join(stage.extensionsDir, 'startServers/10-sh'), 'echo ran > ../order\n');
  await stage.script('instanceStarting/10-none', '');
  await writeFile(
    join(stage.extensionsDir, 'instanceStarting/10-none'),
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2]),
  );
  const hooks = stage.hooks({}, once);

  expect(await hooks.gate('startServers', {}, { signal: never() })).toEqual(passed);
  expect(stage.lines('order')).toEqual(['ran']);
  expect(await hooks.gate('instanceStarting', {}, { signal: never() })).toMatchObject({ by: 'failure' });
});

test('too large an environment is a failure of that hook, told by name', async ({ stage }) => {
  await stage.script('startServers/10-it', 'exit 0');
  const launchParams = new Map(Array.from({ length: 100 }, (_, n) => [`K${n}`, 'x'.repeat(60_000)] as const));

  const outcome = await stage.hooks({ launchParams }, once).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ kind: 'blocked', reason: expect.stringContaining('E2BIG') });
});

test('runs leave no open files behind', async ({ stage }) => {
  await stage.script('startServers/10-it', 'echo hello; exit 0');
  await stage.script('startServers/20-it', 'exit 1');
  const hooks = stage.hooks({}, { retryDelaysMs: [0, 0, 0] });
  await hooks.gate('startServers', {}, { signal: never() });
  const before = openFiles();

  await Promise.all([1, 2, 3, 4, 5].map(() => hooks.gate('startServers', {}, { signal: never() })));

  await expect.poll(openFiles).toBeLessThanOrEqual(before);
});

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}
