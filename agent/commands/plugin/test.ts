import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Command, exitCodes } from '../command.ts';
import { oneWord, PluginUsageError } from './words.ts';

const words = { watch: { type: 'boolean', default: false } } as const;

/**
 * `plugin test [DIR]`: node:test over the tests in a folder, on the Node this agent runs on, with the modules of the
 * contract there. Nothing has to be installed for it.
 */
export const testPlugin: Command = async (args, { env, signal }) => {
  const { values, positionals } = parseArgs({ args: [...args], options: words, allowPositionals: true });
  const folder = resolve(positionals.length === 0 ? '.' : oneWord(positionals, 'one DIR'));
  if (!existsSync(folder)) throw new PluginUsageError(`cannot test ${folder}: there is no such folder`);
  const watch = values.watch ? ['--watch'] : [];
  // Set by a runner that runs us, it would have ours report to that one.
  const { NODE_TEST_CONTEXT: _, ...ours } = env;
  const modules = new URL('./test-modules.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', modules, '--test', ...watch], {
    cwd: folder,
    env: ours,
    stdio: 'inherit',
    signal,
    killSignal: 'SIGTERM',
  });
  const { promise, resolve: end, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', end);
  const exitCode = await promise;
  return exitCode === 0 ? exitCodes.done : exitCodes.gaveUp;
};
