import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test as base } from 'vitest';

/** How a program ended, and what it said. */
export type Ended = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };

/** The machine of an author: a folder of their own, and the agent, which is all that is installed. */
export type Author = {
  readonly home: string;
  write(file: string, text: string, mode?: number): Promise<void>;
  /** `cartridge-agent ...`. */
  agent(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<Ended>;
  /** Lines of a shell, that stops at the first one that fails. */
  shell(lines: string, cwd?: string): Promise<Ended>;
  start(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Running;
};

export type Running = {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly ended: Promise<Ended>;
};

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

export const test = base.extend<{ author: Author }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures from the pattern
  author: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'author-'));
    const [home, bin, temporary] = [join(folder, 'home'), join(folder, 'bin'), join(folder, 'tmp')];
    await Promise.all([home, bin, temporary].map((path) => mkdir(path)));
    await writeFile(join(bin, 'cartridge-agent'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, {
      mode: 0o755,
    });
    const { NODE_TEST_CONTEXT: _, VITEST: __, NODE_OPTIONS: ___, ...inherited } = process.env;
    const env = { ...inherited, HOME: home, TMPDIR: temporary, PATH: `${bin}:${process.env['PATH']}`, NO_COLOR: '1' };
    const running: Running[] = [];
    const begin = (command: string, args: readonly string[], { cwd = home, env: more = {} } = {}) => {
      const started = startProcess(command, args, { cwd, env: { ...env, ...more } });
      running.push(started);
      return started;
    };
    await use({
      home,
      async write(file, text, mode = 0o644) {
        const path = join(home, file);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
        await chmod(path, mode);
      },
      start: (args, options) => begin('cartridge-agent', args, options),
      agent: (args, options) => begin('cartridge-agent', args, options).ended,
      shell: (lines, cwd = home) => begin('sh', ['-euc', lines], { cwd }).ended,
    });
    for (const { process: child, ended } of running) {
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true });
  },
});

function startProcess(command: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors] = [collected(child.stdout), collected(child.stderr)];
  const { promise: ended, resolve, reject } = Promise.withResolvers<Ended>();
  child.once('error', reject);
  child.once('close', (exitCode) => resolve({ exitCode, stdout: output(), stderr: errors() }));
  return { process: child, output, errors, ended };
}

function collected(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
