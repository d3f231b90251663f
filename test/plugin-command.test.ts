import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hookInputSchema } from '../plugins/contract.ts';
import { type Author, test } from './support/author.ts';
import { expect } from './support/current-test.ts';

const limitMs = 60_000;

test.concurrent('a new plugin is green at once, tested, checked and run', { timeout: limitMs }, async ({ author }) => {
  const made = await author.agent(['plugin', 'new', 'php-server']);
  const folder = join(author.home, 'php-server');
  const tests = await author.shell('npm test', folder);
  const checked = await author.shell('npm run check', folder);

  expect(made).toMatchObject({ exitCode: 0, stderr: '' });
  expect(tests.stdout).toMatch(/pass 4\n.*fail 0\n/s);
  expect(checked.stdout).toMatch(/✓ drain .*would run ss -Htn/);
  expect(checked.stdout).toContain('0 errors, 0 warnings');
  // Nothing in what is passed on says where this agent is.
  const passedOn = readdirSync(folder).filter((name) => name !== 'node_modules' && name !== 'samples');
  expect(passedOn.map((name) => readFileSync(join(folder, name), 'utf8')).join('')).not.toContain(process.cwd());
});

test.concurrent('its tests fail when the plugin is wrong', { timeout: limitMs }, async ({ author }) => {
  await author.agent(['plugin', 'new', 'php-server']);
  const index = join(author.home, 'php-server/index.ts');
  await author.write('php-server/index.ts', readFileSync(index, 'utf8').replace("'reload-or-restart'", "'restart'"));

  const { exitCode, stdout } = await author.shell('npm test', join(author.home, 'php-server'));

  expect(exitCode).not.toBe(0);
  expect(stdout).toMatch(/pass 3\n.*fail 1\n/s);
});

test.concurrent('a folder that came from elsewhere is linked', { timeout: limitMs }, async ({ author }) => {
  await author.agent(['plugin', 'new', 'php-server', '--dir', 'from/elsewhere']);
  const folder = join(author.home, 'from/elsewhere/php-server');
  await rm(join(folder, 'node_modules'), { recursive: true });

  const linked = await author.agent(['plugin', 'link'], { cwd: folder });
  // Not by the agent, but as editors do it: by what is linked.
  const tests = await author.shell(`'${process.execPath}' --test`, folder);

  expect(linked.exitCode).toBe(0);
  expect(tests.exitCode, tests.stdout).toBe(0);
});

test.concurrent('a new executable is green at once, and runs', { timeout: limitMs }, async ({ author }) => {
  await author.agent(['plugin', 'new', 'warm', '--script', 'artifactUpdated']);
  const folder = join(author.home, 'warm');

  const tests = await author.shell('npm test', folder);
  const checked = await author.shell('npm run check', folder);
  const args = ['plugin', 'run', 'artifactUpdated', '--plugin', 'warm/artifactUpdated/50-warm'];
  const run = await author.agent([...args, '--sample', 'warm/samples/artifactUpdated.json', '--attempt', '3']);

  const schema = JSON.parse(readFileSync(join(folder, 'artifactUpdated.schema.json'), 'utf8'));

  expect(tests).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('ok - samples/artifactUpdated.json') });
  expect(schema).toEqual(await hookInputSchema('artifactUpdated'));
  expect(checked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('0 errors') });
  expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/✓ artifactUpdated\/50-warm {2}done/) });
  expect(run.stderr).toContain('attempt 3');
  expect(run.stderr).toContain('status: artifactUpdated/50-warm looks around');
});

test.concurrent('a hook is run with a sample in the folder of its plugin', { timeout: limitMs }, async ({ author }) => {
  await author.agent(['plugin', 'new', 'many']);
  await author.write('many/index.ts', many);
  const sample = JSON.parse(readFileSync(join(author.home, 'many/samples/artifactUpdated.json'), 'utf8'));
  await author.write('many/samples/artifactUpdated.none.json', JSON.stringify({ ...sample, changedPaths: ['none'] }));
  const args = ['plugin', 'run', 'artifactUpdated', '--sample', 'samples/artifactUpdated.none.json'];

  const { exitCode, stdout } = await author.agent([...args, '--option', 'wanted=a'], {
    cwd: join(author.home, 'many'),
  });

  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: expect.stringContaining('veto: a is not in none') });
});

test.concurrent('a sample that no hook is called like is told, and does no harm', async ({ author }) => {
  await author.agent(['plugin', 'new', 'php-server']);
  await author.agent(['plugin', 'new', 'warm', '--script', 'drain']);
  for (const folder of ['php-server', 'warm']) {
    await author.write(`${folder}/samples/foo.json`, '{}');
    await author.write(`${folder}/samples/drian.late.json`, '{}');
    await author.write(`${folder}/samples/README.md`, '');
  }

  const checks = await Promise.all(
    ['php-server', 'warm/drain/50-warm'].map((path) => author.agent(['plugin', 'check', path])),
  );

  for (const { exitCode, stdout } of checks) {
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('0 errors, 2 warnings') });
    expect(stdout).toMatch(
      /! samples +samples\/drian\.late\.json is not used: .*, did you mean drain\?\n +Call .*drain/,
    );
    expect(stdout).toMatch(/! samples +samples\/foo\.json is not used: it names no hook\n/);
  }
});

test.concurrent('nothing is overwritten, and a wrong word is a usage error', async ({ author }) => {
  await author.write('taken/keep.txt', 'mine');
  const cases: readonly (readonly [args: string[], exitCode: number, says: string])[] = [
    [['new', 'taken'], 1, 'it is not empty'],
    [['new', 'No Good'], 2, 'lower case with dashes'],
    [['new'], 2, 'one NAME'],
    [['new', 'warm', '--script', 'artifactUpdatd'], 2, 'did you mean artifactUpdated?'],
    [['new', 'warm', '--scrip', 'drain'], 2, 'usage: cartridge-agent plugin'],
    [['chekc', '.'], 2, 'there is no command plugin "chekc"'],
    [['check', 'nowhere'], 1, 'PLUGIN_NOT_THERE'],
    [['run'], 2, 'one HOOK'],
    [['run', 'drain'], 1, 'it has no package.json'],
    [['run', 'drain', '--plugin', 'taken'], 1, 'it has no package.json'],
  ];

  const ends = await Promise.all(cases.map(([args]) => author.agent(['plugin', ...args])));

  expect(ends.map(({ exitCode }) => exitCode)).toEqual(cases.map(([, exitCode]) => exitCode));
  expect(ends.map(({ stderr }, at) => stderr.includes(cases[at]?.[2] ?? ''))).toEqual(cases.map(() => true));
  expect(readdirSync(join(author.home, 'taken'))).toEqual(['keep.txt']);
  expect(existsSync(join(author.home, 'warm'))).toBe(false);
});

test.concurrent('help tells of every command', async ({ author }) => {
  const [all, plugin] = await Promise.all([author.agent(['help']), author.agent(['plugin', '--help'])]);

  expect(all).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^ {2}plugin +makes, /m) });
  expect(plugin).toMatchObject({ exitCode: 0, stderr: '' });
  expect(plugin.stdout.match(/^ {2}(\w+) /gm)?.map((word) => word.trim())).toEqual(
    'new test check run list link'.split(' '),
  );
});

test.concurrent('run says how a hook ended, and with which code', { timeout: limitMs }, async ({ author }) => {
  await author.write('many.ts', many);
  const run = (hook: string, ...more: string[]) => runJson(author, [hook, '--plugin', 'many.ts', ...more]);

  const [done, hold, veto, failed, late, absent] = await Promise.all([
    run('startServers'),
    run('drain', '--option', 'retryMs=250'),
    run('artifactUpdated', '--sample', 'one.json').catch((error: unknown) => error),
    run('clean'),
    run('instanceActivating', '--timeout', '300ms'),
    author.agent(['plugin', 'run', 'volumeMount', '--plugin', 'many.ts']),
  ]);

  expect(done).toMatchObject({ exitCode: 0, verdict: 'done', reason: null, status: ['the key has 4 characters'] });
  expect(hold).toMatchObject({ exitCode: 75, verdict: 'hold', reason: 'not yet', retryAfterMs: 250 });
  expect(String(veto)).toContain('SAMPLE_INVALID');
  expect(failed).toMatchObject({ exitCode: 1, verdict: 'failed', reason: 'cannot clean' });
  expect(late).toMatchObject({ exitCode: 1, verdict: 'failed' });
  expect(late.durationMs).toBeLessThan(5_000);
  expect(absent).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('it has no such hook') });
});

test.concurrent('run gives what a sample says, and the options of agent.conf', async ({ author }) => {
  await author.write('many.ts', many);
  await author.write('agent.conf', '[agent]\n[plugin many]\nwanted = index.php\n');
  const made = await author.agent(['plugin', 'new', 'other', '--script', 'artifactUpdated']);
  const sample = JSON.parse(readFileSync(join(author.home, 'other/samples/artifactUpdated.json'), 'utf8'));
  await author.write('one.json', JSON.stringify({ ...sample, changedPaths: ['about.php'] }));
  const args = ['artifactUpdated', '--plugin', 'many.ts', '--sample', 'one.json'];

  const vetoed = await runJson(author, [...args, '--conf', 'agent.conf']);
  const passed = await runJson(author, [...args, '--conf', 'agent.conf', '--option', 'wanted=about.php']);

  expect(made.exitCode).toBe(0);
  expect(vetoed).toMatchObject({ verdict: 'veto', reason: 'index.php is not in about.php', sample: 'one.json' });
  expect(passed).toMatchObject({ exitCode: 0, verdict: 'done' });
});

const many = `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';

export default definePlugin({
  name: 'many',
  contract: 1,
  options: z.strictObject({ retryMs: z.number().default(5), wanted: z.string().default('') }),
  hooks: {
    startServers: async ({ readSecret, status }) => status(\`the key has \${(await readSecret('CARTRIDGE_KEY'))?.length} characters\`),
    drain: async ({ options }) => ({ hold: 'not yet', retryAfterMs: options.retryMs }),
    artifactUpdated: async ({ options: { wanted } }, { changedPaths }) => {
      if (!changedPaths.includes(wanted)) return { veto: \`\${wanted} is not in \${changedPaths}\` };
    },
    clean: async () => {
      throw new Error('cannot clean');
    },
    instanceActivating: () => new Promise(() => {}),
  },
});
`;

async function runJson(author: Author, args: readonly string[]) {
  const env = { CARTRIDGE_KEY: 'key4' };
  const { exitCode, stdout, stderr } = await author.agent(['plugin', 'run', ...args, '--json'], { env });
  if (stdout === '') throw new Error(stderr);
  expect(stdout + stderr).not.toContain('key4');
  return { exitCode, ...JSON.parse(stdout) };
}
