import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connectAsync, type IClientOptions } from 'mqtt';
import { expect, onTestFinished } from './current-test.ts';

/** A `cartridge-agent events` of its own. */
export type EventsCommand = {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly lines: () => string[];
  /** Resolves when it follows the broker. */
  readonly connected: () => Promise<void>;
  /** Its exit code, once it has ended; null if a signal ended it. */
  readonly ended: Promise<number | null>;
};

/** @param env - added to an environment without colours and passwords */
export function startEvents(args: readonly string[], env: Readonly<Record<string, string>> = {}): EventsCommand {
  const { FORCE_COLOR: _force, NO_COLOR: _no, CARTRIDGE_AGENT_PASSWORD: _password, ...inherited } = process.env;
  const child = spawn(process.execPath, ['agent/main.ts', 'events', ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    lines: () => stdout.split('\n').slice(0, -1),
    connected: () => expect.poll(() => stderr, { timeout: 20_000 }).toMatch(/^(re)?connected to /m),
    // `close`: everything it wrote has been read.
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
}

export type Publish = (topic: string, payload: string | Uint8Array, options?: { retain?: boolean }) => Promise<void>;

/** Somebody else on the same broker. */
export async function publisherOn(port: number, options: IClientOptions = {}): Promise<Publish> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
  onTestFinished(() => client.endAsync(true));
  return async (topic, payload, { retain = false } = {}) => {
    const bytes = typeof payload === 'string' ? payload : Buffer.from(payload);
    await client.publishAsync(topic, bytes, { qos: 1, retain });
  };
}
