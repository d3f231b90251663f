import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Certificate } from './certificates.ts';

/** Debian's own, which has the package python3-thrift. */
const python = '/usr/bin/python3';
const script = new URL('thrift-server.py', import.meta.url).pathname;
const idl = new URL('../../agent/thrift/event-transmission.thrift', import.meta.url).pathname;

/** Without it, what needs it is left out; in CI it is required. */
export const hasThrift = process.env['CI'] !== undefined || isInstalled();

/** @see thrift-server.py */
export type ServerOptions = {
  readonly port?: number;
  readonly password?: string;
  readonly sessionIds?: readonly string[];
  readonly slowMs?: number;
  readonly expireAfter?: number;
  readonly refuseStream?: string;
  readonly oldTls?: boolean;
  readonly weakKey?: boolean;
};

export type ServerEvent = {
  readonly event: string;
  readonly sessionId?: string;
  readonly userName?: string;
  readonly definition?: string;
  readonly bundle?: Readonly<Record<string, readonly unknown[]>>;
  /** The whole call, in hex. */
  readonly raw?: string;
  /** Epoch ms of its arrival. */
  readonly at?: number;
};

/** A data bridge in another language, in a process of its own. */
export type ThriftServer = {
  readonly port: number;
  readonly events: readonly ServerEvent[];
  /** The events of that name so far. */
  of(event: string): ServerEvent[];
  kill(): Promise<void>;
};

/** Whoever starts it kills it; tests have `startThriftServer`. */
export async function spawnThriftServer(certificate: Certificate, options: ServerOptions = {}): Promise<ThriftServer> {
  const settings = JSON.stringify({ password: 'secret', ...options });
  const folder = generatePeer();
  const child: ChildProcess = spawn(
    python,
    ['-W', 'ignore', script, folder, certificate.cert, certificate.key, settings],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const events: ServerEvent[] = [];
  const listening = Promise.withResolvers<number>();
  child.once('exit', () => listening.reject(new Error('the Thrift server ended')));
  if (child.stdout === null) throw new Error('no output');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as ServerEvent & { readonly port?: number };
    events.push(event);
    if (event.event === 'listening') listening.resolve(event.port ?? 0);
  });
  return {
    port: await listening.promise,
    events,
    of: (name) => events.filter(({ event }) => event === name),
    async kill() {
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Makes the code that the peer runs on, in a folder of its own. */
function generatePeer(): string {
  const folder = mkdtempSync(join(tmpdir(), 'thrift-peer-'));
  execFileSync('thrift', ['--gen', 'py', '-out', folder, idl], { stdio: 'pipe' });
  return folder;
}

function isInstalled(): boolean {
  try {
    execFileSync('thrift', ['--version'], { stdio: 'ignore' });
    execFileSync(python, ['-c', 'import thrift'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
