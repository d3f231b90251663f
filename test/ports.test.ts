import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { PortsClosedError, waitForPorts } from '../agent/ports.ts';

const host = '127.0.0.1';
const never = new AbortController().signal;
const patience = { timeout: 15_000 };

test('an empty list is open at once', async () => {
  await waitForPorts({ ports: [], host, timeoutMs: 0, signal: never });
});

test('resolves when every port answers', async () => {
  const ports = [(await listen()).port, (await listen()).port];

  await waitForPorts({ ports, host, timeoutMs: 5_000, signal: never });
});

test('waits for a port that opens late', async () => {
  const port = await freePort();
  const looks: (readonly number[])[] = [];
  const waiting = waitForPorts({ ports: [port], host, timeoutMs: 20_000, signal: never, onLook: (c) => looks.push(c) });
  await expect.poll(() => looks.length, patience).toBeGreaterThan(1);

  await listen(port);
  await waiting;

  expect(looks[0]).toEqual([port]);
  expect(looks.at(-1)).toEqual([]);
});

test('names the closed ports, and only these, when the time is over', async () => {
  const open = (await listen()).port;
  const closed = await freePort();

  const error = await failureOf(waitForPorts({ ports: [open, closed], host, timeoutMs: 300, signal: never }));

  expect(error).toBeInstanceOf(PortsClosedError);
  expect(error).toMatchObject({ code: 'PORTS_CLOSED', facts: { host, ports: [closed] } });
  expect(error.message).toContain(`${host}:${closed} (connection refused)`);
  expect(error.message).not.toContain(String(open));
});

test('leaves a port that has answered alone while it waits for another', async () => {
  const open = await listen();
  const closed = await freePort();

  await failureOf(waitForPorts({ ports: [open.port, closed], host, timeoutMs: 1_000, signal: never }));

  expect(open.connections).toBeLessThanOrEqual(2);
});

test('a port that has gone again while another opened is waited for', async () => {
  const first = await listen();
  const secondPort = await freePort();
  let last: readonly number[] = [];
  const waiting = waitForPorts({
    ports: [first.port, secondPort],
    host,
    timeoutMs: 20_000,
    signal: never,
    onLook: (closed) => {
      last = closed;
    },
  });
  await expect.poll(() => last, patience).toEqual([secondPort]);

  first.server.close();
  await once(first.server, 'close');
  await listen(secondPort);
  await expect.poll(() => last, patience).toEqual([first.port]);
  await listen(first.port);

  await waiting;
});

test('a host that has no address counts as closed, with the reason', async () => {
  const error = await failureOf(waitForPorts({ ports: [80], host: 'nowhere.invalid', timeoutMs: 200, signal: never }));

  expect(error).toMatchObject({ code: 'PORTS_CLOSED', facts: { host: 'nowhere.invalid', ports: [80] } });
  expect(error.message).toMatch(/nowhere\.invalid:80 \(.+\)/);
});

test('a number that is no port counts as closed', async () => {
  const error = await failureOf(waitForPorts({ ports: [70_000], host, timeoutMs: 0, signal: never }));

  expect(error.message).toContain('invalid port');
});

test('an abort ends the wait at once, with its reason', async () => {
  const stop = new AbortController();
  const reason = new Error('cleanup came');
  const port = await freePort();
  const waiting = waitForPorts({
    ports: [port],
    host,
    timeoutMs: 60_000,
    signal: stop.signal,
    onLook: () => stop.abort(reason),
  });

  await expect(waiting).rejects.toBe(reason);
});

test('a port that drops every packet neither hangs the wait nor piles up sockets', async () => {
  const hole = await blackHole();

  const startedMs = performance.now();
  const error = await failureOf(waitForPorts({ ports: [hole.port], host, timeoutMs: 2_500, signal: never }));

  expect(error.message).toContain('no answer');
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  expect(openSockets()).toBeLessThanOrEqual(hole.sockets + 2);
});

test('an abort does not wait for a port that drops every packet', async () => {
  const hole = await blackHole();
  const stop = new AbortController();
  const waiting = waitForPorts({ ports: [hole.port], host, timeoutMs: 60_000, signal: stop.signal });

  stop.abort();

  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

async function failureOf(waiting: Promise<void>): Promise<Error> {
  return await waiting.then(
    () => expect.fail('all ports were open'),
    (error: Error) => error,
  );
}

/** A service: accepts, and closes what the other side closed. */
async function listen(port = 0): Promise<{ server: Server; port: number; readonly connections: number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {}).end();
  });
  server.listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    server,
    port: portOf(server),
    get connections() {
      return connections;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** A listener that never accepts, with its backlog full: the kernel drops every further SYN, as a firewall would. */
async function blackHole(): Promise<{ port: number; sockets: number }> {
  const sleeper = `require('net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, function () {
    require('fs').writeSync(1, String(this.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  })`;
  const child: ChildProcess = spawn(process.execPath, ['-e', sleeper], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [text] = await once(child.stdout ?? expect.fail('no pipe'), 'data');
  const port = Number(text);

  const fillers: Socket[] = [];
  onTestFinished(() => fillers.forEach((socket) => void socket.destroy()));
  while (await connects(port, fillers)) expect(fillers.length).toBeLessThan(20);
  return { port, sockets: openSockets() };
}

async function connects(port: number, fillers: Socket[]): Promise<boolean> {
  const socket = connect(port, host).on('error', () => {});
  fillers.push(socket);
  return await once(socket, 'connect', { signal: AbortSignal.timeout(500) }).then(
    () => true,
    () => false,
  );
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCPSocket|TCPConnect/.test(name)).length;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : expect.fail('not listening');
}
