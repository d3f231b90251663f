import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Status } from '../../state/status.ts';
import { onTestFinished } from './current-test.ts';

export type StatusRun = { readonly code: number; readonly stdout: string; readonly stderr: string };

/**
 * `cartridge-agent status` as people run it, without a terminal.
 *
 * @param env - added to an environment without colours
 * @param user - who runs it
 */
export function runStatus(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  user: { readonly uid?: number; readonly gid?: number } = {},
): Promise<StatusRun> {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['agent/main.ts', 'status', ...args],
      { env: { ...inherited, ...env }, ...user },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    onTestFinished(() => void child.kill('SIGKILL'));
  });
}

/** What `status --json` says, checked against its schema. */
export async function statusOf(stateDir: string): Promise<Status> {
  const { stdout, stderr } = await runStatus(['--state-dir', stateDir, '--json']);
  if (stdout === '') throw new Error(stderr);
  return Status.parse(JSON.parse(stdout));
}

/** A conversation on the socket of an agent, with whoever does not keep to the rules. */
export type Rude = {
  write(bytes: string | Uint8Array): void;
  /** What came back so far, line by line. */
  lines(): string[];
  /** Stops, or never begins, to read. */
  stopReading(): void;
  hangUp(): void;
  readonly closed: Promise<void>;
};

export function talkTo(stateDir: string): Rude {
  const socket = connect(join(stateDir, 'control.sock'));
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return {
    write: (bytes) => void socket.write(bytes),
    lines: () => text.split('\n').slice(0, -1),
    stopReading: () => void socket.pause(),
    hangUp: () => void socket.destroy(),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
  };
}
