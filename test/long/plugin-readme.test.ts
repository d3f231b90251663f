import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withReference } from '../../conf/plugin-reference.ts';
import { type Author, test } from '../support/author.ts';
import { expect } from '../support/current-test.ts';

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const document = readFileSync(path('plugins/README.md'), 'utf8');

/** What is between two fences; `kind` is behind the first one. */
type Snippet = { readonly kind: string; readonly text: string };

test('whoever follows it, step by step, has what it says', { timeout: 120_000 }, async ({ author }) => {
  const snippets = snippetsIn(document);
  let cwd = author.home;
  let said = '';

  for (const { kind, text } of snippets) {
    if (kind === 'ts') await author.write(`no-secrets/${fileIn(text)}`, text);
    else if (kind === 'ini') await author.write(`instance/${fileIn(text)}`, text);
    else if (kind === 'text') expectLines(said, text);
    else if (text.includes('cartridge-agent demo')) await watchLive(author, text, cwd);
    else {
      const { exitCode, stdout, stderr } = await author.shell(`${text}\nprintf '%s' "$PWD" >&2`, cwd);
      expect(exitCode, `${text}\n${stdout}\n${stderr}`).toBe(0);
      said = stdout;
      cwd = stderr.slice(stderr.lastIndexOf(author.home));
    }
  }

  expect(snippets.map(({ kind }) => kind).filter((kind) => !['sh', 'ts', 'ini', 'text'].includes(kind))).toEqual([]);
  const folder = join(author.home, 'no-secrets');
  const tests = await author.shell('npm test', folder);
  expect(tests.stdout).toMatch(/pass 5\n.*fail 0\n/s);
  const compiled = await author.shell(
    `'${process.execPath}' '${path('node_modules/typescript/bin/tsc')}' -p .`,
    folder,
  );
  expect(compiled.stdout).toBe('');
});

test('its reference is that of the schemas', () => {
  expect(withReference(document)).toBe(document);
});

test('its links lead somewhere', () => {
  const anchors = [...document.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => slug(title));
  const links = [...document.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor);
  const files = [...document.matchAll(/\]\(([^)#]+)\)/g)].map(([, file = '']) => file);

  expect(links.filter((link) => !anchors.includes(link) && !document.includes(`<a id="${link}">`))).toEqual([]);
  expect(files.map((file) => readFileSync(path(`plugins/${file}`), 'utf8').length > 0)).toEqual(files.map(() => true));
});

function snippetsIn(text: string): Snippet[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind = '', snippet = '']) => ({ kind, text: snippet }));
}

/** The first line of a snippet names its file, in a comment. */
function fileIn(text: string): string {
  return /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1] ?? expect.fail(`no file in\n${text}`);
}

/** Each line begins one of what was said, in this order: times and folders are behind it. */
function expectLines(said: string, text: string): void {
  let rest = said.split('\n');
  for (const line of text.trimEnd().split('\n')) {
    const index = rest.findIndex((one) => one.startsWith(line));
    expect(index, `"${line}" in\n${said}`).toBeGreaterThanOrEqual(0);
    rest = rest.slice(index + 1);
  }
}

async function watchLive(author: Author, text: string, cwd: string): Promise<void> {
  const [, ...args] = text.trim().split(' ');
  const demo = author.start(args, { cwd });
  await expect.poll(() => demo.output() + demo.errors(), { timeout: 60_000 }).toContain('Ctrl-C ends the demo');

  demo.process.kill('SIGINT');

  expect(await demo.ended, demo.errors()).toMatchObject({ exitCode: 0, stderr: '' });
}

function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');
}
