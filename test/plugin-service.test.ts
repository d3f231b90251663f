import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from './support/current-test.ts';
import { instance, processesIn } from './support/hooks.ts';
import { ask, type Section, serve, start, started, usual } from './support/plugin-service.ts';
import { test as staged } from './support/plugins.ts';

// The plugin `service` in its worker, and real processes.
const test = staged.concurrent;

test('a command outlives an agent that is killed, and the next one finds it', async ({ stage }) => {
  const section = { ...usual(stage), command: serve(stage) };
  const agent = fileURLToPath(new URL('./support/plugin-agent.ts', import.meta.url));
  const given = JSON.stringify({ folder: join(stage.folder, 'tmp'), sections: { service: section } });
  const killed = spawn(process.execPath, [agent, given], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [said] = await Promise.race([once(killed.stdout, 'data'), once(killed, 'exit')]);
  expect(String(said)).toBe('started\n');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const [first] = await started(stage);

  const next = await start(stage, section, 'active');

  expect(await ask(next, 'startServers', 2)).toEqual({ kind: 'done' });
  expect(await next.host.health()).toEqual({ service_up: 100, service_restarts: 0 });
  expect(await started(stage)).toEqual([first]);
  process.kill(first ?? NaN, 'SIGKILL');
  await expect.poll(() => stage.lines('started').length).toBe(2);
  expect(await ask(next, 'clean')).toEqual({ kind: 'done' });
  expect(processesIn(stage.folder)).toEqual([]);
});

test('an agent that starts again watches over it without any hook', async ({ stage }) => {
  const section = { ...usual(stage), command: serve(stage) };
  const before = await start(stage, section);
  await ask(before, 'startServers');
  await before.host.close();
  process.kill((await started(stage))[0] ?? NaN, 'SIGKILL');

  const after = await start(stage, section, 'active');

  expect(await after.host.health()).toMatchObject({ service_up: 0 });
  await expect.poll(() => stage.lines('started').length).toBe(2);
  expect(await after.host.health()).toEqual({ service_up: 100, service_restarts: 1 });
  await ask(after, 'clean');
});

test('one that dies is reported, and started again at growing intervals', async ({ stage }) => {
  const command = serve(stage, { before: 'date +%s%3N >>times; test -e broken && exit 3' });
  const plugin = await start(stage, { ...usual(stage), command, restartMs: '100', steadyMs: '300' }, 'active');
  await ask(plugin, 'startServers');
  writeFileSync(join(stage.folder, 'broken'), '');

  process.kill((await started(stage))[0] ?? NaN, 'SIGKILL');

  await expect.poll(stage.log).toMatch(/serve\.sh died 3 times, with exit code 3"/);
  expect(stage.log()).toMatch(/serve\.sh died once, with SIGKILL"/);
  expect(plugin.host.problems()).toMatchObject([{ code: 'PLUGIN_REPORT', plugin: 'service' }]);
  rmSync(join(stage.folder, 'broken'));
  await expect.poll(() => plugin.host.problems()).toEqual([]);
  const [, , second = 0, third = 0] = stage.lines('times').map(Number);
  expect(third - second).toBeGreaterThanOrEqual(400);
  expect(stage.lines('started')).toHaveLength(2);
  await ask(plugin, 'clean');
});

test('nobody starts it again once the instance drains, or when it was stopped', async ({ stage }) => {
  const plugin = await start(stage, { ...usual(stage), command: serve(stage), restartMs: '1' }, 'active');
  await ask(plugin, 'startServers');

  await ask(plugin, 'drain');
  process.kill((await started(stage))[0] ?? NaN, 'SIGKILL');
  await ask(plugin, 'clean');
  plugin.state = 'pendingTermination';

  expect(await plugin.host.health()).toEqual({ service_up: 0, service_restarts: 0 });
  expect(stage.lines('started')).toHaveLength(1);
  expect(plugin.host.problems()).toEqual([]);
});

test.for<[summary: string, Section, says: RegExp]>([
  ['ends at once', { command: 'sh -c "exit 3"' }, /^cannot start sh: it ended at once with exit code 3; set output/],
  ['is killed at once', { command: `sh -c 'kill -9 $$'`, output: 'OUT' }, /ended at once with SIGKILL; see .*out$/],
  ['is not there', { command: 'no-such-program' }, /^cannot start no-such-program: .*exit code 127/],
  ['has no folder', { command: 'sleep 60', cwd: '/nowhere' }, /^cannot start sleep: .*ENOENT/],
])('a command that %s has not started', async ([, section, says], { stage }) => {
  const output = section['output'] === undefined ? {} : { output: join(stage.folder, 'out') };
  const plugin = await start(stage, { ...usual(stage), settleMs: '5000', ...section, ...output });

  expect(await ask(plugin, 'startServers')).toEqual({ kind: 'failed', reason: expect.stringMatching(says) });
  expect(readdirSync(join(stage.folder, 'run'))).toEqual([]);
});

test.for<[how: string, Section, seen: string[]]>([
  ['is stopped and started', {}, ['start', 'TERM', 'start']],
  ['is left alone', { reload: 'none' }, ['start']],
  ['gets a signal', { reload: 'SIGHUP' }, ['start', 'HUP']],
  ['is told by a program', { reload: `sh -c "echo 'by hand' >>seen"` }, ['start', 'by hand']],
])('with an update a command %s', async ([, section, seen], { stage }) => {
  const command = serve(stage, { before: `trap 'echo HUP >>seen' HUP; echo start >>seen`, term: 'echo TERM >>seen' });
  const plugin = await start(stage, { ...usual(stage), command, startAt: 'artifactUpdated', ...section });

  expect(await ask(plugin, 'startServers')).toEqual({ kind: 'done' });
  expect(stage.lines('seen')).toEqual([]);
  expect(await ask(plugin, 'artifactUpdated')).toEqual({ kind: 'done' });
  await started(stage);
  expect(await ask(plugin, 'artifactUpdated')).toEqual({ kind: 'done' });

  await expect.poll(() => stage.lines('seen')).toEqual(seen);
  await ask(plugin, 'clean');
});

test('a reload that fails says why, and the service runs on', async ({ stage }) => {
  const section = { ...usual(stage), command: serve(stage), reload: 'sh -c "echo line 7 >&2; exit 1"' };
  const plugin = await start(stage, section, 'active');
  await ask(plugin, 'startServers');

  expect(await ask(plugin, 'artifactUpdated')).toEqual({
    kind: 'failed',
    reason: 'cannot reload: sh -c "echo line 7 >&2; exit 1": line 7',
  });
  expect(await plugin.host.health()).toMatchObject({ service_up: 100 });
  await ask(plugin, 'clean');
});

test('it is asked to stop by its signal, and killed with all its children when it does not', async ({ stage }) => {
  const deaf = `trap '' TERM; trap 'echo INT >>seen' INT; echo yes >>deaf; (while :; do sleep 0.02; done) & while :; do sleep 0.02; done`;
  const section = { ...usual(stage), command: serve(stage, { before: deaf }), stopSignal: 'SIGINT', graceMs: '200' };
  const plugin = await start(stage, section);
  await ask(plugin, 'startServers');
  await expect.poll(() => stage.lines('deaf')).toEqual(['yes']);

  expect(await ask(plugin, 'clean')).toEqual({ kind: 'done' });

  expect(processesIn(stage.folder)).toEqual([]);
  expect(stage.lines('seen')).toEqual(['INT']);
  expect(stage.lines('started')).toEqual([]);
});

test('it drains while clients are connected, but not for ever', async ({ stage }) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [[accepted], client] = await Promise.all([once(server, 'connection'), connect(port, '127.0.0.1')]);
  onTestFinished(() => void server.close());
  const section = { ...usual(stage), command: 'sleep 60', ports: `1, ${port}`, drainMs: '3000' };
  const plugin = await start(stage, section, 'active');

  const held = { kind: 'hold', reason: `1 open at port 1, ${port}`, retryAfterMs: 1_000 };
  expect(await ask(plugin, 'drain', 1)).toEqual(held);
  expect(await ask(plugin, 'drain', 3)).toEqual(held);
  expect(await ask(plugin, 'drain', 4)).toEqual({ kind: 'done' });
  client.end();
  accepted.end();
  await expect.poll(async () => await ask(plugin, 'drain', 1)).toEqual({ kind: 'done' });
});

test('a process that is not the noted one is left alone', async ({ stage }) => {
  const section = { ...usual(stage), command: serve(stage) };
  const stranger = spawn('sleep', ['60'], { detached: true });
  onTestFinished(() => void stranger.kill('SIGKILL'));
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const stat = readFileSync(`/proc/${stranger.pid}/stat`, 'utf8').split(' ');
  mkdirSync(join(stage.folder, 'run'), { mode: 0o700 });
  const record = join(stage.folder, 'run', `${instance.memberId}.process`);
  writeFileSync(record, boot + stat.with(21, '1').join(' '));
  const plugin = await start(stage, section);

  expect(await ask(plugin, 'clean')).toEqual({ kind: 'done' });
  writeFileSync(record, boot.replace(/^./, 'x') + stat.join(' '));
  expect(await ask(plugin, 'startServers')).toEqual({ kind: 'done' });

  expect(await started(stage)).toHaveLength(1);
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  await ask(plugin, 'clean');
});

test('a note that others could have written is not believed', async ({ stage }) => {
  const section = { ...usual(stage), command: serve(stage) };
  mkdirSync(join(stage.folder, 'run'));
  chmodSync(join(stage.folder, 'run'), 0o777);
  const plugin = await start(stage, section);

  const refused = { kind: 'failed', reason: expect.stringMatching(/not a folder that only we can write to/) };
  expect([await ask(plugin, 'startServers'), await ask(plugin, 'clean')]).toEqual([refused, refused]);
});
