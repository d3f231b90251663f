import { type Author, test } from '../support/author.ts';
import { expect } from '../support/current-test.ts';

const limitMs = 60_000;

/** Mistakes, and what an author is told of each: all at once, with what to do. */
const mistakes: readonly { summary: string; text: string; says: readonly RegExp[]; args?: readonly string[] }[] = [
  {
    summary: 'another contract, a misspelt hook, a wrong limit',
    text: plugin('contract: 2, hooks: { artifactUpdatd: () => {}, drain: { timeoutMs: -1, run: () => {} } }'),
    says: [
      /contract 1, the plugin is written for 2/,
      /hooks.artifactUpdatd.*did you mean artifactUpdated/,
      /timeoutMs/,
    ],
  },
  { summary: 'no plugin', text: 'export default 7;', says: [/no plugin/, /definePlugin/] },
  { summary: 'a syntax error', text: 'export default {\n  a: ;\n};', says: [/✗ loads +SyntaxError: .*one\.ts:2\)/] },
  { summary: 'a throw at load', text: "throw new Error('no luck');", says: [/✗ loads +Error: no luck .*one\.ts:1\)/] },
  {
    summary: 'an endless loop at load',
    text: 'for (;;);',
    says: [/not loaded within 5000 ms/],
  },
  { summary: 'it leaves at load', text: 'process.exit(3);', says: [/process\.exit\(3\)/] },
  { summary: 'what is imported is missing', text: "import 'nothing-there';", says: [/✗ loads .*nothing-there/] },
  {
    summary: 'options that are missing, and unknown',
    text: plugin("contract: 1, options: z.strictObject({ port: z.number().describe('where') })"),
    args: ['--option', 'prot=80'],
    says: [/✓ options +port: number, required: where/, /✗ options +port: .*"prot"/, /--option KEY=VALUE/],
  },
  {
    summary: 'a veto from a notice',
    text: plugin("contract: 1, hooks: { instanceActivated: () => ({ veto: 'no' }) as never }"),
    says: [/✗ instanceActivated +sample default: failed: .*veto/],
  },
  {
    summary: 'hooks that throw, leave, and never end',
    text: plugin(`contract: 1, hooks: {
      startServers: () => { throw new Error('broken') },
      drain: () => { for (;;); },
      clean: () => process.exit(1),
      instanceActivating: async () => {},
    }`),
    args: ['--timeout', '500ms'],
    says: [/✗ startServers .*broken/, /✗ drain .*failed/, /✗ clean .*process\.exit\(1\)/, /✓ instanceActivating/],
  },
  {
    summary: 'what goes wrong only the second time',
    text: plugin("contract: 1, hooks: { clean: () => { if (seen.has(1)) throw new Error('again'); seen.add(1); } }"),
    says: [/✗ clean +sample default: the second time failed: again/],
  },
  {
    summary: 'health that is no numbers',
    text: plugin("contract: 1, health: async () => ({ workers: 'four' }) as never"),
    says: [/✗ health +it returned no numbers/],
  },
];

for (const { summary, text, says, args = [] } of mistakes) {
  test.concurrent(`finds ${summary}`, { timeout: limitMs }, async ({ author }) => {
    await author.write('one.ts', text);

    const { exitCode, stdout, stderr } = await author.agent(['plugin', 'check', 'one.ts', ...args]);

    for (const said of says) expect(stdout, stderr).toMatch(said);
    expect(exitCode).toBe(1);
    expect(stderr).toBe('');
  });
}

test.concurrent('what starts programs is not blamed for their silence, and none is started', async ({ author }) => {
  const run = "const { stdout } = await exec('touch', ['started']); if (stdout === '') throw new Error('no answer');";
  await author.write('one.ts', plugin(`contract: 1, hooks: { clean: async ({ exec }) => { ${run} } }`));

  const { exitCode, stdout } = await author.agent(['plugin', 'check', 'one.ts', '--json']);
  const files = await author.shell('find . -name started');

  const { schema, ok, findings } = JSON.parse(stdout);
  expect({ exitCode, schema, ok }).toEqual({ exitCode: 0, schema: 'cartridge-agent.plugin-check/1', ok: true });
  expect(findings).toContainEqual(
    expect.objectContaining({ level: 'warning', about: 'clean', text: expect.stringContaining('would run touch') }),
  );
  expect(files.stdout).toBe('');
});

test.concurrent('every sample of the author is fired, and a wrong one is told', async ({ author }) => {
  await author.write('one/package.json', '{ "type": "module" }');
  await author.write('one/index.ts', plugin('contract: 1, hooks: { tenantSubscribed: () => {}, drain: () => {} }'));
  await author.write('one/samples/tenantSubscribed.wrong.json', '{ "tenantId": "seven" }');
  await author.write('one/samples/drain.broken.json', '{');

  const { exitCode, stdout } = await author.agent(['plugin', 'check', 'one']);

  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/✗ tenantSubscribed +cannot use .*wrong\.json: .*tenantId/);
  expect(stdout).toMatch(/✗ drain +cannot use .*broken\.json/);
  expect(stdout).toMatch(/✓ drain +sample default: done/);
});

test.concurrent('executables that would not be run', async ({ author }) => {
  const cases = [
    ['drain/50-plain', '#!/bin/sh\n', 0o644, 'not executable'],
    ['drain/50-windows', '#!/bin/sh\r\n', 0o755, 'CRLF'],
    ['drain/50-nobody', '#!/bin/nobody\n', 0o755, 'interpreter'],
    ['drain/50-everybody', '#!/bin/sh\n', 0o777, 'everybody may change it'],
    ['drain/wait', '#!/bin/sh\n', 0o755, 'would not be run'],
    ['drian/50-wait', '#!/bin/sh\n', 0o755, 'its path names no hook'],
  ] as const;
  for (const [file, text, mode] of cases) await author.write(file, text, mode);
  const check = ([file]: readonly [string, ...unknown[]]) => author.agent(['plugin', 'check', file]);

  const ends = await Promise.all(cases.map(check));

  expect(ends.map(({ exitCode }) => exitCode)).toEqual(cases.map(() => 1));
  expect(ends.map(({ stdout }, at) => (stdout.includes(cases[at]?.[3] ?? '?') ? '' : stdout))).toEqual(
    cases.map(() => ''),
  );
});

test.concurrent('list tells what is wrong with an instance before it starts', async ({ author }) => {
  await writeInstance(author);
  await author.write('plugins/one.ts', plugin("contract: 1, hooks: { drain: { run: () => {}, before: ['60-last'] } }"));
  await author.write('plugins/broken.ts', 'export default {');
  await author.write('extensions/drain/60-last', '#!/bin/sh\n', 0o755);
  await author.write('extensions/drain/10-first', '#!/bin/sh\n', 0o644);

  const { exitCode, stdout } = await author.agent(['plugin', 'list', '--conf', 'agent.conf', '--json']);

  const { plugins, hooks, problems } = JSON.parse(stdout);
  expect(exitCode).toBe(0);
  expect(plugins.map(({ name, loads }: { name: string; loads: boolean }) => [name, loads])).toEqual([
    ['broken', false],
    ['one', true],
  ]);
  expect(hooks).toMatchObject([
    { hook: 'drain', runners: [{ name: 'drain/10-first' }, { name: 'drain one' }, { name: 'drain/60-last' }] },
  ]);
  expect(problems.map(({ code }: { code: string }) => code).toSorted()).toEqual(['HOOK_UNUSABLE', 'PLUGIN_BROKEN']);
});

test.concurrent('list without a configuration says where it looked', async ({ author }) => {
  const { exitCode, stderr } = await author.agent(['plugin', 'list', '--conf', 'nowhere.conf']);

  expect(exitCode).toBe(78);
  expect(stderr).toContain('nowhere.conf');
});

async function writeInstance(author: Author): Promise<void> {
  const keys = ['APPLICATION_ID', 'SERVICE_NAME', 'CLUSTER_ID', 'MEMBER_ID'];
  await author.write('launch-params', keys.map((key) => `${key}=x`).join(','));
  await author.write(
    'agent.conf',
    '[agent]\nmb.urls = 127.0.0.1:1\nstate.dir = state\nparam.file.path = launch-params\nplugins.dir = plugins\nextensions.dir = extensions\n',
  );
}

function plugin(body: string): string {
  return `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';
const seen = new Set<unknown>([z]);
export default definePlugin({ name: 'one', ${body} } as never);
void seen;
`;
}
