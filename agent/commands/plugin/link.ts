import { existsSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AgentError } from '../../../state/errors.ts';
import { type Command, exitCodes } from '../command.ts';
import { oneWord } from './words.ts';

/** The agent cannot be made known in a folder of an author. */
export class PluginNotLinkedError extends AgentError {
  override readonly name = 'PluginNotLinkedError';
  readonly code = 'PLUGIN_NOT_LINKED';
  readonly remedy = 'Name a folder that has a package.json and that you may write to.';
}

/** What sources of a plugin may import, and its tests are checked with. */
const packages = ['zod', '@types/node'];

/** `plugin link [DIR]`: as `npm link` would do it. */
export const link: Command = async (args, { stdout }) => {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true });
  const folder = resolve(positionals.length === 0 ? '.' : oneWord(positionals, 'one DIR'));
  if (!existsSync(join(folder, 'package.json'))) {
    throw new PluginNotLinkedError(`cannot link the agent into ${folder}: it has no package.json`);
  }
  await linkAgent(folder);
  stdout.write(`npm test in ${folder} uses this agent now\n`);
  return exitCodes.done;
};

/**
 * Makes the agent known in a folder: `cartridge-agent` to its npm scripts, and the modules of the contract to its editor.
 * Only node_modules, which is never passed on, says where this agent is; elsewhere the one that is installed there is used.
 *
 * @throws {@link PluginNotLinkedError}
 */
export async function linkAgent(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules');
  const root = agentRoot();
  try {
    await replace(join(modules, 'cartridge-agent'), (path) => symlink(root, path));
    for (const name of packages) {
      const found = join(root, 'node_modules', name);
      if (existsSync(found)) await replace(join(modules, name), (path) => symlink(found, path));
    }
    const starter = `#!/bin/sh\nexec ${quoted(process.execPath)} ${quoted(resolve(process.argv[1] ?? ''))} "$@"\n`;
    await replace(join(modules, '.bin', 'cartridge-agent'), (path) => writeFile(path, starter, { mode: 0o755 }));
  } catch (cause) {
    throw new PluginNotLinkedError(`cannot link the agent into ${folder}`, { cause });
  }
}

/** Where the package of this agent is. */
function agentRoot(): string {
  return fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');
}

async function replace(path: string, make: (path: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await make(path);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
