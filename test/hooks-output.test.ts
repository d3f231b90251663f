import { expect } from 'vitest';
import type { GateStatus } from '../agent/hooks/gate.ts';
import { never, test } from './support/hooks.ts';

const passed = { kind: 'passed' };
const once = { retryDelaysMs: [] };

test('200 MB of output hurt neither memory nor log, and the last words are told', async ({ stage }) => {
  await stage.script(
    'startServers/10-flood',
    `yes 'all work and no play' | head -c 200000000; echo disk is full >&2; exit 1`,
  );
  const before = process.memoryUsage().rss;

  const outcome = await stage.hooks({}, once).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ reason: 'exit code 1: disk is full' });
  expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  expect(stage.log().length).toBeLessThan(2_000_000);
  const [dropped] = stage.logged('hook.outputDropped');
  expect(dropped?.['droppedBytes']).toBeGreaterThan(199_000_000);
  expect(dropped?.['droppedBytes']).toBeLessThan(200_000_020);
});

test('many short lines are no way around it', async ({ stage }) => {
  await stage.script('startServers/10-chatty', 'yes | head -n 20000');

  await stage.hooks().gate('startServers', {}, { signal: never() });

  expect(stage.logged('hook.output')).toHaveLength(500);
  expect(stage.logged('hook.outputDropped')).toMatchObject([{ stream: 'stdout', droppedBytes: 19_500 }]);
});

test('one line without an end is cut', async ({ stage }) => {
  await stage.script('startServers/10-long', `head -c 60000 /dev/zero | tr '\\0' x`);

  await stage.hooks().gate('startServers', {}, { signal: never() });

  expect(stage.logged('hook.output').map(({ line }) => String(line).length)).toEqual([4096]);
});

test('secrets are not in the environment, and what a script says is cleaned of them', async ({ stage }) => {
  await stage.script(
    'startServers/10-curious',
    `env > ../environment; cat > ../input
     echo "key Xk7pQ2mZ9aLr4TwB"; printf '%04090d' 0; echo Xk7pQ2mZ9aLr4TwB
     echo '{"veto":"Xk7pQ2mZ9aLr4TwB is wrong"}' >&3`,
  );
  const launchParams = new Map([
    ['CARTRIDGE_KEY', 'Xk7pQ2mZ9aLr4TwB'],
    ['MB_PASSWORD', 'hunter22'],
  ]);

  const outcome = await stage.hooks({ launchParams }).gate('startServers', {}, { signal: never() });

  expect(outcome).toMatchObject({ reason: '[redacted] is wrong' });
  expect([...stage.lines('environment'), ...stage.lines('input')].join()).not.toMatch(/Xk7p|hunter22/);
  expect(stage.log()).toContain('key [redacted]');
  expect(stage.log()).not.toMatch(/Xk7p|hunter22/);
});

test('garbage on file descriptor 3 is ignored, and said so in one line', async ({ stage }) => {
  await stage.script(
    'startServers/10-garbage',
    `echo '{"hold":'>&3; echo '[]' >&3; echo '{"veto": 7}' >&3; echo '{}' >&3; echo null >&3
     echo '{"extend":"long"}' >&3; head -c 5000000 /dev/urandom >&3; printf '{"veto":"cut' >&3`,
  );

  expect(await stage.hooks().gate('startServers', {}, { signal: never() })).toEqual(passed);
  expect(stage.logged('hook.reportIgnored')).toHaveLength(1);
});

test('100 MB of JSON on file descriptor 3 cost neither memory nor time', async ({ stage }) => {
  await stage.script(
    'startServers/10-flood',
    `printf '{"status":"' >&3; head -c 50000000 /dev/zero | tr '\\0' x >&3; printf '"}\\n' >&3
     yes '{"extend":1,"status":"still here"}' | head -c 50000000 >&3; exec 3>&-; exit 0`,
  );
  const said: GateStatus[] = [];
  const before = process.memoryUsage().rss;

  const outcome = await stage.hooks().gate('startServers', {}, { signal: never(), onStatus: (s) => said.push(s) });

  expect(outcome).toEqual(passed);
  expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  expect(said.length).toBeLessThan(40_000);
  expect(stage.logged('hook.reportIgnored')).toHaveLength(1);
});

test('everything said on file descriptor 3 before the end counts, however late', async ({ stage }) => {
  await stage.script(
    'startServers/10-late',
    `i=0; while [ $i -lt 800 ]; do echo '{"status":"step '$i'"}'; i=$((i+1)); done > ../report
     sleep 60 > /dev/null 2>&1 & cat ../report >&3; printf '{"veto":"at last"}' >&3; kill -9 $!`,
  );
  const said: GateStatus[] = [];

  const outcome = await stage.hooks().gate('startServers', {}, { signal: never(), onStatus: (s) => said.push(s) });

  expect(outcome).toMatchObject({ by: 'veto', reason: 'at last' });
  expect(said.at(-1)).toEqual({ kind: 'status', executable: 'startServers/10-late', text: 'step 799' });
  expect(said).toHaveLength(800);
});
