import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** A plugin that takes part in the demonstration. */
export type DemoPlugin = {
  readonly name: string;
  /** A file, or a folder. */
  readonly path: string;
  /** Its options, as agent.conf has them. */
  readonly section: ReadonlyMap<string, string>;
  readonly hooks: readonly string[];
};

/** Puts it where the agent looks for plugins; it stays where it is. */
export async function installPlugin(folder: string, { name, path }: DemoPlugin): Promise<void> {
  const plugins = join(folder, 'plugins');
  await mkdir(plugins);
  await symlink(path, join(plugins, `${name}${/\.(ts|js)$/.exec(path)?.[0] ?? ''}`));
}
