import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { HookName } from '../../../plugins/contract.ts';
import { AgentError } from '../../../state/errors.ts';
import { type Command, exitCodes } from '../command.ts';
import { linkAgent } from './link.ts';
import { scriptFiles } from './script-template.ts';
import { type NewFile, pluginFiles } from './template.ts';
import { hookNamed, oneWord, PluginUsageError } from './words.ts';

/** A new plugin cannot be written where it is to be. */
export class PluginNotMadeError extends AgentError {
  override readonly name = 'PluginNotMadeError';
  readonly code = 'PLUGIN_NOT_MADE';
  readonly remedy = 'Choose another name, or another folder with --dir; nothing is ever overwritten.';
}

const words = { dir: { type: 'string', default: '.' }, script: { type: 'string' } } as const;

/** `plugin new NAME [--dir DIR] [--script HOOK]`: a folder whose `npm test` is green at once. */
export const newPlugin: Command = async (args, { stdout }) => {
  const { values, positionals } = parseArgs({ args: [...args], options: words, allowPositionals: true });
  const name = nameIn(oneWord(positionals, 'one NAME'));
  const hook = values.script === undefined ? null : hookNamed(values.script);
  const folder = resolve(values.dir, name);
  await writeAll(folder, hook === null ? await pluginFiles(name) : await scriptFiles(name, hook));
  await linkAgent(folder);
  const near = relative('.', folder);
  stdout.write(nextSteps(near.startsWith('..') ? folder : near, { hook, name }));
  return exitCodes.done;
};

function nameIn(word: string): string {
  if (/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(word) && word.length <= 60) return word;
  throw new PluginUsageError(
    `cannot call it ${JSON.stringify(word)}: write lower case with dashes, such as php-server`,
  );
}

/** @throws {@link PluginNotMadeError} */
async function writeAll(folder: string, files: readonly NewFile[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0) throw new PluginNotMadeError(`cannot make ${folder}: it is not empty`);
    for (const { path, text, isExecutable = false } of files) {
      const file = join(folder, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { flag: 'wx', mode: isExecutable ? 0o755 : 0o644 });
    }
  } catch (cause) {
    if (cause instanceof PluginNotMadeError) throw cause;
    throw new PluginNotMadeError(`cannot make ${folder}`, { cause });
  }
}

function nextSteps(folder: string, { hook, name }: { hook: HookName | null; name: string }): string {
  const deploy =
    hook === null
      ? `copy the folder to plugins.dir; options go into section [plugin ${name}] of agent.conf`
      : `copy ${hook}/ to extensions.dir`;
  return `made ${folder}

  cd ${folder}
  npm test            its tests
  npm run check       what the agent thinks of it

When it does what you want, ${deploy}.
`;
}
