import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect } from 'vitest';
import { askAgent } from '../agent/asks.ts';
import { gate } from '../agent/commands/gate.ts';
import { createControl, type GateAnswer, type GateOrder } from '../agent/control.ts';
import { onTestFinished } from './support/current-test.ts';
import { lockTest as test } from './support/lock.ts';

const because = ['--reason', 'the licence server is back'];

describe('the command', () => {
  test.for<{ args: string[]; result: GateAnswer['result']; code: number; said: RegExp }>([
    { args: ['retry', 'startServers'], result: 'done', code: 0, said: /^startServers is asked again\n$/ },
    { args: ['skip', 'artifactUpdating'], result: 'done', code: 0, said: /^artifactUpdating is skipped/ },
    { args: ['retry', 'clean'], result: 'not blocked', code: 1, said: /^cannot retry clean: it is not blocked/ },
    {
      args: ['skip', 'drain'],
      result: 'unknown gate',
      code: 2,
      said: /^cannot skip drain: the agent knows of no such/,
    },
  ])('$args, $result', async ({ args, result, code, said }, { lock }) => {
    const claim = await lock.claim();
    const orders: GateOrder[] = [];
    claim.onAsk(createControl({}, { onGate: noting(orders, result) }));

    const run = await runGate([...args, ...because, '--state-dir', lock.stateDir]);

    expect(run).toEqual({ code, stdout: code === 0 ? expect.stringMatching(said) : '', stderr: expect.anything() });
    expect(run.stdout + run.stderr).toMatch(said);
    expect(orders).toEqual([{ action: args[0], gate: args[1], reason: 'the licence server is back' }]);
  });

  test('reads of agent.conf where the agent is', async ({ lock }) => {
    const claim = await lock.claim();
    claim.onAsk(createControl({}, { onGate: () => 'done' }));
    const conf = join(dirname(lock.stateDir), 'agent.conf');
    writeFileSync(conf, '[agent]\nstate.dir = state\nmisspelt = 1\n');

    expect(await runGate(['retry', 'drain', ...because, '--conf', conf])).toMatchObject({ code: 0 });
    expect(await runGate(['retry', 'drain', ...because, '--conf', `${conf}.none`])).toMatchObject({ code: 78 });
  });

  test.for([
    { args: [], said: /write retry or skip/ },
    { args: ['force', 'drain', ...because], said: /write retry or skip/ },
    { args: ['retry', ...because], said: /name one hook/ },
    { args: ['retry', 'drain', 'clean', ...because], said: /name one hook/ },
    { args: ['retry', 'drain'], said: /--reason/ },
    { args: ['retry', 'drain', '--reason', '  '], said: /--reason/ },
    { args: ['retry', 'drain', '--reason', 'x'.repeat(501)], said: /--reason/ },
    { args: ['retry', 'drian', ...because], said: /did you mean drain\?/ },
    { args: ['retry', 'startServers/10-licence', ...because], said: /did you mean startServers\?/ },
    { args: ['skip', 'memberActivated', ...because], said: /it is no gate/ },
    { args: ['skip', 'constructor', ...because], said: /it is no gate/ },
    { args: ['retry', 'drain', ...because, '--state-dir', ''], said: /--state-dir/ },
    { args: ['retry', 'drain', ...because, '--conf', 'a', '--state-dir', 'b'], said: /together/ },
    { args: ['retry', 'drain', ...because, '--force'], said: /--force/ },
  ])('$args is not understood', async ({ args, said }) => {
    expect(await runGate(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(said) });
  });

  test('has help', async () => {
    expect(await runGate(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--reason TEXT') });
  });
});

describe('without an agent that does it', () => {
  test('there is none', async ({ lock }) => {
    const run = await runGate(['retry', 'drain', ...because, '--state-dir', lock.stateDir]);

    expect(run).toMatchObject({ code: 69, stderr: expect.stringMatching(/cannot ask.*\n.*\[GATE_UNREACHABLE\]/) });
  });

  test('it has only just started: to be tried again', async ({ lock }) => {
    await lock.claim();

    expect(await runGate(['retry', 'drain', ...because, '--state-dir', lock.stateDir])).toMatchObject({ code: 75 });
  });

  test('it knows of no gates, or has a defect', async ({ lock }) => {
    const claim = await lock.claim();
    claim.onAsk(createControl({}));
    const args = ['retry', 'drain', ...because, '--state-dir', lock.stateDir];
    expect(await runGate(args)).toMatchObject({ code: 69, stderr: expect.stringContaining('no such thing to ask') });

    claim.onAsk(createControl({}, { onGate: () => Promise.reject(new Error('a defect\u001b[2J')) }));

    const run = await runGate(args);
    expect(run).toMatchObject({ code: 69, stderr: expect.stringContaining('a defect?[2J') });
  });

  test.for(['nonsense', '{}', '{"gate":"drain","result":"perhaps"}', '{"error":"no"}'])(
    'whoever listens says %s',
    async (answer, { lock }) => {
      mkdirSync(lock.stateDir, { recursive: true });
      const socketPath = join(lock.stateDir, 'control.sock');
      const server = createServer((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end(`${answer}\n`),
      );
      await new Promise<void>((resolve) => server.listen(socketPath, resolve));
      onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));

      const run = await runGate(['retry', 'drain', ...because, '--state-dir', lock.stateDir]);

      expect(run).toMatchObject({ code: 69, stdout: '' });
      rmSync(socketPath, { force: true });
    },
  );

  test.runIf(process.getuid?.() === 0)(
    'it is somebody else’s: not even the folder may be entered',
    async ({ lock }) => {
      const claim = await lock.claim();
      claim.onAsk(createControl({}, { onGate: () => 'done' }));

      const asked = spawnSync(
        process.execPath,
        [
          '-e',
          `require('node:net').connect(process.argv[1]).on('error', (e) => console.log(e.code))`,
          join(lock.stateDir, 'control.sock'),
        ],
        { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8' },
      );

      expect(asked.stdout).toBe('EACCES\n');
    },
  );
});

test.for([
  { summary: 'no action', order: { gate: 'drain', reason: 'x' } },
  { summary: 'another action', order: { action: 'force', gate: 'drain', reason: 'x' } },
  { summary: 'no reason', order: { action: 'skip', gate: 'drain' } },
  { summary: 'an empty reason', order: { action: 'skip', gate: 'drain', reason: ' ' } },
  { summary: 'a gate that is none', order: { action: 'skip', gate: { toString: 1 }, reason: 'x' } },
])('an order over the socket with $summary is refused', async ({ order }, { lock }) => {
  const claim = await lock.claim();
  const orders: GateOrder[] = [];
  claim.onAsk(createControl({ status: () => ({ fine: true }) }, { onGate: noting(orders, 'done') }));
  const ask = (what: object) => askAgent(join(lock.stateDir, 'control.sock'), what, { timeoutMs: 5_000 });

  expect(await ask({ ask: 'gate', ...order })).toMatchObject({ error: { code: 'GATE_ORDER' } });
  expect(await ask({ ask: 'status' })).toEqual({ fine: true });
  expect(orders).toEqual([]);
});

function noting(orders: GateOrder[], result: GateAnswer['result']) {
  return async (order: GateOrder) => {
    orders.push(order);
    return result;
  };
}

/** The command as the command line calls it. */
async function runGate(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await gate(args, { stdout, stderr, env: {}, signal: new AbortController().signal });
  const text = (stream: PassThrough) => String(stream.read() ?? '');
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
