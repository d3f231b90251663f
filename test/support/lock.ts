import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { test } from 'vitest';
import { type Claim, claimStateDir } from '../../agent/lock.ts';
import { silent } from './journal.ts';

const program = new URL('./contender.ts', import.meta.url).pathname;

/** A process of `contender.ts`. */
type Contender = {
  readonly process: ChildProcess;
  /** Sends a command, and gives the answer to it. */
  tell(command: string): Promise<string>;
  /** As `kill -9` leaves it. */
  kill(): Promise<void>;
};

type Lock = {
  readonly stateDir: string;
  claim(memberId?: string, stateDir?: string): Promise<Claim>;
  /** One that looks after its lock every few milliseconds. */
  keep(memberId?: string): Promise<Claim>;
  contender(wrapper?: readonly string[]): Promise<Contender>;
};

export const lockTest = test.extend<{ lock: Lock }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are needed from the pattern
  lock: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), 'lock-'));
    const stateDir = join(folder, 'state');
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    let count = 0;
    await use({
      stateDir,
      async claim(memberId = 'php-1', where = stateDir) {
        const identity = { memberId, runId: 'run-1', pid: process.pid };
        return stack.adopt(await claimStateDir(where, { identity, log: silent }), (it) => it.release());
      },
      async keep(memberId = 'php-1') {
        const identity = { memberId, runId: 'run-1', pid: process.pid };
        return stack.adopt(await claimStateDir(stateDir, { identity, log: silent, everyMs: 20 }), (it) => it.release());
      },
      async contender(wrapper = []) {
        count += 1;
        return stack.adopt(await startContender(`${count}`, wrapper), (it) => it.kill());
      },
    });
  },
});

async function startContender(name: string, wrapper: readonly string[]): Promise<Contender> {
  const [command = '', ...args] = [...wrapper, process.execPath, program, name];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  await nextLine(lines);
  return {
    process: child,
    tell(command) {
      child.stdin.write(`${command}\n`);
      return nextLine(lines);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function nextLine(lines: Interface): Promise<string> {
  const [line] = await once(lines, 'line');
  return line;
}
