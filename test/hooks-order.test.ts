import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { orderProblems } from '../agent/hooks/check.ts';
import { orderRunners, unknownNames } from '../agent/hooks/order.ts';
import { type Ordered, pluginNumber, type Runner, stratosNumber } from '../agent/hooks/runners.ts';

const script = (file: string): Ordered => ({
  name: `startServers/${file}`,
  kind: 'executable',
  order: { names: [`startServers/${file}`, file], number: Number.parseInt(file, 10), before: [], after: [] },
});
const stratos: Ordered = {
  name: 'StartServers.sh',
  kind: 'stratos',
  order: { names: ['StartServers.sh', 'StartServers'], number: stratosNumber, before: [], after: [] },
};
const plugin = (name: string, order: { before?: string[]; after?: string[] } = {}): Ordered => ({
  name: `startServers ${name}`,
  kind: 'plugin',
  order: { names: [name], number: pluginNumber, before: [], after: [], ...order },
});

test.for<{ summary: string; runners: Ordered[]; order: string[] }>([
  {
    summary: 'plugins are in the middle, by name; the Stratos script is first',
    runners: [plugin('b'), script('90-z'), plugin('a'), script('9-y'), stratos, script('00-x')],
    order: ['StartServers.sh', '00-x', '9-y', 'a', 'b', '90-z'],
  },
  {
    summary: 'executables of the number of plugins are among them by their whole name',
    runners: [plugin('a'), script('50-z'), script('51-a'), script('49-a')],
    order: ['49-a', 'a', '50-z', '51-a'],
  },
  {
    summary: 'before an executable: directly, and no other is moved',
    runners: [script('10-x'), script('20-y'), script('30-z'), plugin('a'), plugin('p', { before: ['20-y'] })],
    order: ['10-x', 'p', '20-y', '30-z', 'a'],
  },
  {
    summary: 'after an executable: no other is moved',
    runners: [
      script('60-x'),
      script('90-y'),
      script('95-z'),
      plugin('p', { after: ['startServers/90-y'] }),
      plugin('q'),
    ],
    order: ['q', '60-x', '90-y', 'p', '95-z'],
  },
  {
    summary: 'a chain over names is followed',
    runners: [
      plugin('c', { before: ['b'] }),
      plugin('a', { after: ['b'] }),
      plugin('b', { before: ['10-x'] }),
      script('10-x'),
    ],
    order: ['c', 'b', '10-x', 'a'],
  },
  {
    summary: 'even before the Stratos script',
    runners: [stratos, script('10-x'), plugin('p', { before: ['StartServers'] })],
    order: ['p', 'StartServers.sh', '10-x'],
  },
  {
    summary: 'who is not there is nobody to wait for',
    runners: [plugin('b', { before: ['none'] }), plugin('a', { after: ['none'] })],
    order: ['a', 'b'],
  },
])('$summary', ({ runners, order }) => {
  for (const given of [runners, runners.toReversed()]) {
    const ordered = orderRunners('startServers', given);

    expect(ordered.error).toBeNull();
    expect(ordered.runners.map(nameOf)).toEqual(order);
  }
});

test.for<{ summary: string; runners: Ordered[]; cycle: RegExp }>([
  { summary: 'itself', runners: [plugin('a', { before: ['a'] })], cycle: /: a before a$/ },
  {
    summary: 'each other',
    runners: [plugin('c'), plugin('a', { before: ['b'] }), plugin('b', { before: ['a'] })],
    cycle: /: (a before b before a|b before a before b)$/,
  },
  {
    summary: 'executables, against their numbers',
    runners: [script('10-x'), script('90-y'), plugin('p', { after: ['90-y'], before: ['10-x'] })],
    cycle: /startServers\/10-x before startServers\/90-y before p/,
  },
])('who wants to be before $summary is named, and numbers decide', ({ runners, cycle }) => {
  const { error, runners: ordered } = orderRunners('startServers', runners.toReversed());

  expect(error).toMatchObject({ code: 'HOOK_ORDER_CYCLE', message: expect.stringMatching(cycle) });
  expect(ordered.map(nameOf)).toEqual(runners.map(nameOf).sort(byNumberThenName));
});

test('names that nobody has are told', () => {
  const runners = [plugin('a', { before: ['b', 'nginx'] }), plugin('b', { after: ['10-x'] }), script('10-x')];

  expect(unknownNames(runners)).toEqual([{ runner: 'startServers a', unknown: 'nginx' }]);
});

test('circles of all hooks are found at the start, all at once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hooks-order-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const hook of ['startServers', 'drain']) {
    mkdirSync(join(folder, hook));
    writeFileSync(join(folder, hook, '10-x'), '');
    writeFileSync(join(folder, hook, '90-y'), '');
  }
  const astride: Runner = {
    ...plugin('p', { after: ['90-y'], before: ['10-x'] }),
    limits: { timeoutMs: null, retries: null },
    mode: 'enforce',
    run: async () => ({ kind: 'done' }),
  };

  const problems = orderProblems({ extensionsDir: folder, plugins: { runnersFor: () => [astride] } });

  expect(problems.map(({ facts }) => facts['hook'])).toEqual(['startServers', 'drain']);
  expect(orderProblems({ extensionsDir: folder })).toEqual([]);
});

function nameOf({ name }: Ordered): string {
  return name.replace(/^startServers[/ ]/, '');
}

function byNumberThenName(one: string, other: string): number {
  const number = (name: string) => (/^\d/.test(name) ? Number.parseInt(name, 10) : pluginNumber);
  return number(one) - number(other) || (one < other ? -1 : 1);
}
