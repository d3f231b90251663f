import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

// The house (ARCHITECTURE.md): imports go agent -> plugins/contract -> state, and each library has one door.
const doors: Readonly<Record<string, RegExp>> = {
  mqtt: /^agent\/broker\/client\.ts$/,
  'simple-git': /^agent\/artifacts\/git\/git\.ts$/,
  'tcp-port-used': /^agent\/ports\.ts$/,
  thrift: /^agent\/thrift\/client\.ts$/,
  pino: /^agent\/log\.ts$/,
  xstate: /^(state\/|agent\/agent\.ts$|agent\/lifecycle\.ts$)/,
  aedes: /^agent\/demo\//,
};

const sources = ['agent', 'state', 'plugins'].flatMap(sourcesIn);

test('state imports zod, xstate and itself', () => {
  const strangers = importsOf(/^state\//).filter(({ target }) => !/^(state\/|zod$|xstate(\/graph)?$)/.test(target));

  expect(strangers).toEqual([]);
});

test('the plugin contract imports state and zod only', () => {
  const strangers = importsOf(/^plugins\/contract/).filter(
    ({ target }) => !/^(state\/|zod$|plugins\/contract)/.test(target),
  );

  expect(strangers).toEqual([]);
});

/** One way of following files is enough. */
const shared = ['plugins/contract.ts', 'plugins/log-publisher/tail.ts', 'plugins/log-publisher/budget.ts'];

test('agent and plugins meet in the contract, and in how files are followed', () => {
  const strangers = [
    ...importsOf(/^agent\//).filter(({ target }) => target.startsWith('plugins/') && !shared.includes(target)),
    ...importsOf(/^plugins\//).filter(({ target }) => target.startsWith('agent/')),
  ];

  expect(strangers).toEqual([]);
});

test('nothing that runs imports the tests', () => {
  expect(importsOf(/./).filter(({ target }) => target.startsWith('test/'))).toEqual([]);
});

test.for(Object.entries(doors))('%s has one door', ([library, door]) => {
  const users = importsOf(/./).filter(({ target }) => target === library || target.startsWith(`${library}/`));

  expect(users.filter(({ file }) => !door.test(file))).toEqual([]);
  expect(users).not.toEqual([]);
});

test('no import turns back', () => {
  const graph = new Map(sources.map((file) => [file, importsIn(file).filter((target) => sources.includes(target))]));
  const leaves = () => [...graph].filter(([, targets]) => targets.every((target) => !graph.has(target)));

  for (let free = leaves(); free.length > 0; free = leaves()) for (const [file] of free) graph.delete(file);

  expect([...graph.keys()]).toEqual([]);
});

function importsOf(files: RegExp): { file: string; target: string }[] {
  return sources
    .filter((file) => files.test(file))
    .flatMap((file) => importsIn(file).map((target) => ({ file, target })));
}

/** Targets as paths from the root for our own files, as names for packages; `import type` and `import()` count too. */
function importsIn(file: string): string[] {
  const statements = readFileSync(file, 'utf8').matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*'([^']+)'/g);
  return [...statements].map(([, target = '']) =>
    target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
  );
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}
