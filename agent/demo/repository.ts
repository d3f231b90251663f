import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { AgentError, reasonOf } from '../../state/errors.ts';

/** A repository with a web page in it, and the developer who works on it. */
export type PageRepository = {
  /** `file:///...`: what the platform tells the agent to clone. */
  readonly url: string;
  /**
   * Commits and pushes a page with this title.
   *
   * @returns the short hash of the commit
   */
  push(title: string): Promise<string>;
};

/** git does not do what the demo needs to have a repository. */
export class DemoRepositoryError extends AgentError {
  override readonly name = 'DemoRepositoryError';
  readonly code = 'DEMO_REPOSITORY_FAILED';
  readonly remedy = 'Install git 2.28 or newer, and see that it is in PATH.';
}

const execute = promisify(execFile);
const timeoutMs = 20_000;

/**
 * @param folder - gets `shop.git`, where the platform's tenants push to, and `developer`, where the page is written
 * @throws {@link DemoRepositoryError}
 */
export async function createRepository(folder: string, path = process.env['PATH'] ?? ''): Promise<PageRepository> {
  const bare = join(folder, 'shop.git');
  const developer = join(folder, 'developer');
  const git = async (...args: string[]) => await run(args, { cwd: developer, path });
  await mkdir(developer, { recursive: true });
  await git('init', '--quiet', '--bare', '--initial-branch=main', bare);
  await git('init', '--quiet', '--initial-branch=main', developer);
  await git('remote', 'add', 'origin', bare);

  return {
    url: pathToFileURL(bare).href,
    async push(title) {
      await writeFile(join(developer, 'index.html'), pageWith(title));
      await git('add', '--all');
      await git('commit', '--quiet', '--message', title);
      await git('push', '--quiet', 'origin', 'main');
      return await git('rev-parse', '--short', 'HEAD');
    },
  };
}

/** Nothing of the caller's git reaches ours: neither its configuration nor the variables of a hook we may run in. */
async function run(args: readonly string[], { cwd, path }: { cwd: string; path: string }): Promise<string> {
  const who = { NAME: 'Demo', EMAIL: 'demo@example.com' };
  const env = {
    PATH: path,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    ...Object.fromEntries(Object.entries(who).map(([key, value]) => [`GIT_AUTHOR_${key}`, value])),
    ...Object.fromEntries(Object.entries(who).map(([key, value]) => [`GIT_COMMITTER_${key}`, value])),
  };
  try {
    const { stdout } = await execute('git', args, { cwd, env, timeout: timeoutMs });
    return stdout.trim();
  } catch (cause) {
    throw new DemoRepositoryError(`cannot run git ${args[0]}: ${reasonOf(cause)}`, { cause });
  }
}

function pageWith(title: string): string {
  return `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>${title}</title></head>
  <body><h1>${title}</h1><p>Cloned by cartridge-agent, served by what its hook has started.</p></body>
</html>
`;
}
