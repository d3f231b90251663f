import { type Author, test } from './support/author.ts';
import { expect } from './support/current-test.ts';

test.concurrent('every command says how it is used, and so does the help for one', async ({ author }) => {
  const { stdout } = await author.agent(['--help']);
  const names = [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name = '']) => name);

  const helped = await Promise.all(names.map((name) => usageOf(author, [name, '--help'])));

  expect(names).toEqual(['run', 'status', 'history', 'gate', 'config', 'events', 'plugin', 'demo']);
  expect(helped.map((usage) => usage.split('\n')[0])).toEqual(
    names.map((name) => expect.stringContaining(`usage: cartridge-agent ${name} `)),
  );
});

test.concurrent.for([
  ['config', 'check', '--help'],
  ['config', 'import', '-h'],
  ['plugin', 'run', 'drain', '-h'],
  ['plugin', 'new', '--help', '--nonsense'],
  ['gate', 'retry', '-h'],
  ['run', '-h'],
  ['demo', '--keep', '-h'],
  ['events', '-h'],
])('%j is answered by the usage of the command', async (words, { author }) => {
  expect(await usageOf(author, words)).toContain(`usage: cartridge-agent ${words[0]} `);
});

/** Of a command that ends as if it had done its work, and says nothing else. */
async function usageOf(author: Author, words: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await author.agent(words);
  expect({ exitCode, stderr }, words.join(' ')).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}
