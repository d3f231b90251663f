import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A Mosquitto of our own: own process, own configuration, own port. */
export type Mosquitto = AsyncDisposable & {
  readonly port: number;
  /** As a power cut would. The next `start` is on the same port, with the same configuration. */
  kill(): Promise<void>;
  start(): Promise<void>;
};

/** Without it, what needs it is left out; in CI it is required. */
export const hasMosquitto = process.env['CI'] !== undefined || isInstalled();

/**
 * @param lines - further lines of mosquitto.conf
 * @param options - `onDisk`: keeps everything over `kill` and `start`, which takes it much time
 */
export async function startMosquitto(
  lines: readonly string[] = ['allow_anonymous true'],
  { onDisk = false }: { onDisk?: boolean } = {},
): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  const port = await freePort();
  const conf = join(folder, 'mosquitto.conf');
  const persistence = [
    'persistence true',
    `persistence_location ${folder}/`,
    'autosave_interval 1',
    'autosave_on_changes true',
  ];
  // As root it would change to its own user, who cannot write here.
  const settings = [`listener ${port} 127.0.0.1`, 'user root', ...(onDisk ? persistence : []), ...lines, ''];
  await writeFile(conf, settings.join('\n'));
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    const started = spawn('mosquitto', ['-c', conf], { stdio: 'ignore' });
    child = started;
    await once(started, 'spawn');
    await untilAccepting(port, () => started.exitCode !== null);
  }
  async function kill(): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  await start();
  return {
    port,
    kill,
    start,
    [Symbol.asyncDispose]: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function untilAccepting(port: number, gaveUp: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 1_000 && !gaveUp(); attempt += 1) {
    const socket = connect(port, '127.0.0.1');
    const accepted = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (accepted) return;
    await sleep(5);
  }
  throw new Error(`mosquitto does not listen on ${port}`);
}

function isInstalled(): boolean {
  try {
    execFileSync('mosquitto', ['-h'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
