import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { test } from 'vitest';
import { parseBrokerUrl } from '../agent/demo/broker-url.ts';
import { expect, onTestFinished } from './support/current-test.ts';
import { freePort, hasMosquitto, startMosquitto } from './support/mosquitto.ts';

const limitMs = 60_000;
const main = new URL('../agent/main.ts', import.meta.url).pathname;
const states = ['created', 'initialized', 'started', 'active', 'pendingTermination', 'obsolete'];

test.concurrent('walks the whole life and leaves nothing behind', { timeout: limitMs }, async () => {
  const demo = startDemo([]);

  expect(await demo.exitCode, demo.errors()).toBe(0);

  expect(statesIn(demo.output())).toEqual(states);
  expectInOrder(demo.output(), [
    /people +start the agent/,
    /agent +publishes CompleteTopologyRequestEvent/,
    /cloud controller +CompleteTopologyEvent +CompleteTopologyRequestEvent/,
    /initialized +agent .* the platform shows the member as Initialized/,
    /agent +publishes InstanceStartedEvent/,
    /stratos manager +ArtifactUpdatedEvent +InstanceStartedEvent/,
    /agent +git: [a-z ]+ 100 % +\d+ of \d+/,
    /agent +placed commit/,
    /agent +ran the hook artifactUpdated/,
    /active +agent .* the hook instanceActivating is through/,
    /people +see the page "The shop, first edition"/,
    /people +push commit/,
    /people +see the page "The shop, second edition"/,
    /pendingTermination +agent .* a cleanup for this member/,
    /agent +publishes InstanceMaintenanceModeEvent/,
    /agent +publishes InstanceReadyToShutdownEvent/,
    /people +see the agent end +exit code 0/,
    /people +see no page any more/,
    /cloud controller +MemberTerminatedEvent/,
  ]);
  // Seen in the log of the agent, and not over the broker: on a busy machine it comes before or after its neighbours.
  expect(demo.output()).toMatch(/agent +ran the hook clean/);
  const rows = demo.output().split('\n').filter(Boolean).slice(1);
  const times = rows.map((row) => Number(row.slice(0, 6)));
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(demo.output()).not.toMatch(/\b(warn|error): /);
  expect(stripVTControlCharacters(demo.output())).toBe(demo.output());
  expect(demo.errors()).toBe('');
  demo.expectNothingLeft();
});

test.concurrent('shows colours where they are wanted', { timeout: limitMs }, async () => {
  const demo = startDemo(['--broker', `mqtt://127.0.0.1:${await freePort()}`], { env: { FORCE_COLOR: '1' } });
  await expect.poll(demo.output).toContain('what led to it');

  expect(stripVTControlCharacters(demo.output())).not.toBe(demo.output());
});

test.runIf(hasMosquitto).concurrent('walks on a broker that is there already', { timeout: limitMs }, async () => {
  await using mosquitto = await startMosquitto(['allow_anonymous true']);

  const demo = startDemo(['--broker', `mqtt://127.0.0.1:${mosquitto.port}`]);

  expect(await demo.exitCode, demo.errors()).toBe(0);
  expect(statesIn(demo.output())).toEqual(states);
  expect(demo.output()).toContain(`127.0.0.1:${mosquitto.port}`);
  demo.expectNothingLeft();
});

test.concurrent('kept running it serves, says how to talk to it, and ends in order on Ctrl-C', {
  timeout: limitMs,
}, async () => {
  const demo = startDemo(['--keep']);
  await expect.poll(demo.output, { timeout: limitMs }).toContain('Ctrl-C');
  const page = /page +(http:\S+)/.exec(demo.output())?.[1] ?? expect.fail('no page');

  const served = await fetch(page).then((response) => response.text());
  const paths = [...demo.output().matchAll(/^ {2}(?:application|state|agent's log) +(\S+)$/gm)].map(
    ([, path]) => path ?? '',
  );
  const kinds = paths.map((path) => readFileOrFolder(path));
  demo.process.kill('SIGINT');

  expect(served).toContain('The shop, first edition');
  expect(demo.output()).toMatch(/mosquitto_sub -h 127\.0\.0\.1 -p \d+ -v -t '#'/);
  expect(kinds.map((content) => content.length > 0)).toEqual([true, true, true]);
  expect(await demo.exitCode, demo.errors()).toBe(0);
  expect(statesIn(demo.output())).toEqual(states);
  demo.expectNothingLeft();
});

test.concurrent('kept running it ends when somebody else takes the instance down', { timeout: limitMs }, async () => {
  await using mosquitto = hasMosquitto ? await startMosquitto() : null;
  const demo = startDemo(['--keep', ...(mosquitto === null ? [] : ['--broker', `mqtt://127.0.0.1:${mosquitto.port}`])]);
  await expect.poll(demo.output, { timeout: limitMs }).toContain('Ctrl-C');

  const command = /take it down +(mosquitto_pub .*)/.exec(demo.output())?.[1] ?? expect.fail('no command');
  if (mosquitto === null) demo.process.kill('SIGTERM');
  else await once(spawn('/bin/sh', ['-c', command], { stdio: 'ignore' }), 'exit');

  expect(await demo.exitCode, demo.errors()).toBe(0);
  demo.expectNothingLeft();
});

test.concurrent.for(['people +start a platform', 'people +start the agent', 'started +agent', 'active +agent'])(
  'stopped after "%s" it leaves nothing behind',
  { timeout: limitMs },
  async (moment) => {
    const demo = startDemo([]);
    await expect.poll(demo.output, { timeout: limitMs }).toMatch(new RegExp(moment));

    demo.process.kill('SIGTERM');

    expect(await demo.exitCode, demo.errors()).toBe(1);
    expect(demo.errors()).toBe('');
    demo.expectNothingLeft();
  },
);

test.concurrent('a second Ctrl-C ends it on the spot, and still leaves nothing behind', {
  timeout: limitMs,
}, async () => {
  const demo = startDemo(['--keep']);
  await expect.poll(demo.output, { timeout: limitMs }).toContain('Ctrl-C');
  // Otherwise the demo may be over before the second one.
  process.kill(agentOf(demo.output()), 'SIGSTOP');

  demo.process.kill('SIGINT');
  await expect.poll(demo.output).toContain('end the demo');
  demo.process.kill('SIGINT');

  expect(await demo.exitCode).toBe(130);
  await expect.poll(demo.left).toEqual([]);
});

test.concurrent('an agent that dies ends the demo, with its last words', { timeout: limitMs }, async () => {
  const demo = startDemo([]);
  await expect.poll(demo.output, { timeout: limitMs }).toContain('is started');

  process.kill(agentOf(demo.output()), 'SIGKILL');

  expect(await demo.exitCode).toBe(1);
  expect(demo.errors()).toMatch(/cannot see that .*: the agent ended with a signal\n.*\[DEMO_STEP_FAILED\]/);
  expect(demo.errors()).toContain('info lifecycle: instance is started');
  demo.expectNothingLeft();
});

test.concurrent('without git it says what is missing', { timeout: limitMs }, async () => {
  const demo = startDemo([], { env: { PATH: '/nowhere' } });

  expect(await demo.exitCode).toBe(1);
  expect(demo.errors()).toContain('DEMO_REPOSITORY_FAILED');
  demo.expectNothingLeft();
});

test.concurrent('without an answer from the broker it ends with 69', { timeout: limitMs }, async () => {
  const demo = startDemo(['--broker', `mqtt://127.0.0.1:${await freePort()}`]);

  expect(await demo.exitCode).toBe(69);
  expect(demo.errors()).toContain('DEMO_BROKER_UNREACHABLE');
  demo.expectNothingLeft();
});

test.concurrent('a broker it cannot read is a usage error that keeps the password', { timeout: limitMs }, async () => {
  const demo = startDemo(['--broker', 'http://me:s3cret@example.org']);

  expect(await demo.exitCode).toBe(2);
  expect(demo.errors()).toContain('mqtt://host:port');
  expect(demo.errors()).not.toContain('s3cret');
});

test.for([
  { url: 'mqtt://mb.example.org', server: { host: 'mb.example.org', port: 1883 }, user: null, password: null },
  { url: 'mqtt://u:p%40ss%3A%23@mb:1884', server: { host: 'mb', port: 1884 }, user: 'u', password: 'p@ss:#' },
  { url: 'mqtts://[::1]', server: { host: '::1', port: 8883 }, user: null, password: null },
])('reads $url', ({ url, server, user, password }) => {
  const access = parseBrokerUrl(url);

  expect(access.server).toEqual(server);
  expect([access.username, access.password?.reveal() ?? null]).toEqual([user, password]);
  expect(access.tls !== null).toBe(url.startsWith('mqtts:'));
});

/** Everything it makes is in a folder of this test, so that what is left is seen. */
function startDemo(args: readonly string[], { env = {} }: { env?: NodeJS.ProcessEnv } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'demo-test-'));
  const child = spawn(process.execPath, [main, 'demo', ...args], {
    env: { ...process.env, TMPDIR: folder, NO_COLOR: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collect(child.stdout);
  const errors = collect(child.stderr);
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  const left = () => [...readdirSync(folder), ...processesNaming(folder)];
  onTestFinished(async () => {
    await end(child);
    for (const { pid } of processesNaming(folder)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  return { process: child, output, errors, exitCode, left, expectNothingLeft: () => expect(left()).toEqual([]) };
}

/** The pid of the agent, once the demo has started it. */
function agentOf(output: string): number {
  return Number(/start the agent +process (\d+)/.exec(output)?.[1]);
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** A zombie has no command line any more: what nobody has reaped yet does not count. */
function processesNaming(folder: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), command: commandOf(name) }))
    .filter(({ command }) => command.includes(folder));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function readFileOrFolder(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return readdirSync(path).join(' ');
  }
}

/** The states in the order in which they were entered; only those that say what led there. */
function statesIn(output: string): string[] {
  const rows = output.matchAll(/^ *\d+ {2}(\w+) +agent +is \1 +\S/gm);
  return [...rows].map(([, state]) => state ?? '');
}

function expectInOrder(output: string, patterns: readonly RegExp[]): void {
  const lines = output.split('\n');
  let at = 0;
  for (const pattern of patterns) {
    const found = lines.findIndex((line, index) => index >= at && pattern.test(line));
    expect(found, `${pattern} after line ${at} of\n${output}`).toBeGreaterThanOrEqual(at);
    at = found + 1;
  }
}
