import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, test as plain } from 'vitest';
import { config as command } from '../agent/commands/config.ts';
import { loadConfig } from '../agent/config.ts';
import { importConf } from '../state/config/import.ts';
import { parseConf } from '../state/config/ini.ts';
import { parseOriginalConf } from '../state/config/originals.ts';
import { samples, writeOriginalHome } from './support/originals.ts';

type Old = {
  readonly home: string;
  /** Puts another agent.conf there. */
  conf(text: string | Uint8Array): void;
  run(...words: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
};

const test = plain.extend<{ old: Old }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern to see what a fixture needs
  old: async ({}, use) => {
    const home = await mkdtemp(join(tmpdir(), 'import-'));
    const scripts = ['StartServers', 'clean'];
    await writeOriginalHome(home, { addresses: {}, scripts, traceFile: '/dev/null' });
    await use({ home, conf: (text) => writeFileSync(join(home, 'agent.conf'), text), run });
    await rm(home, { recursive: true });
  },
});

const secrets = ['change-me', 'change-me-too', 'change-me-three', 'Xk7pQ2mZ9aLr4TwB', 'eyJhbGci'];

describe('config import', () => {
  test('makes an agent.conf that means the same', async ({ old }) => {
    const out = join(old.home, 'new.conf');

    const { exitCode } = await old.run('import', '--conf', join(old.home, 'agent.conf'), '--out', out);

    const [before, after] = [loadConfig({ confFile: join(old.home, 'agent.conf'), home: old.home }), loadOut(out)];
    expect(exitCode).toBe(0);
    const { stateDir: _, monitoring, thrift, ...meant } = before.config;
    const { pluginsDir, ...hooks } = after.config.hooks;
    expect(pluginsDir).toBe(join(old.home, 'plugins'));
    expect({ ...after.config, hooks: { ...hooks, pluginsDir } }).toMatchObject(meant);
    // Whom to trust is for its owner to say, which is among the remarks.
    expect(after.config.thrift).toEqual({ ...thrift, tls: { ...thrift.tls, verify: true } });
    // Its plain port has no effect here, and is left out.
    expect(after.config.monitoring).toEqual({ ...monitoring, port: null });
    expect(after.config.stateDir).toBe('/var/lib/cartridge-agent');
    expect(after.config.broker.password?.reveal()).toBe(before.config.broker.password?.reveal());
  });

  test('prints the file as data, and what is different on stderr, without a secret', async ({ old }) => {
    const { stdout, stderr } = await old.run('import', '--home', old.home);

    expect(stdout).toContain('\nmb.password = change-me\n');
    expect(stdout).not.toContain('mb.publisher.timeout');
    for (const secret of secrets) expect(stderr).not.toContain(secret);
    expect(stderr).toMatch(/Has another meaning here:\n.*agent\.conf:7: thrift\.receiver\.urls: .*certificates/);
    expect(stderr).toMatch(/Left out:\n.*agent\.conf:5: mb\.publisher\.timeout/);
    expect(stderr).toMatch(/meaning than for the originals:\n(.*\n)*.*hook\.timeout/);
    expect(stderr).toMatch(/In the folder:\n.*plugins of the originals are not run: TomcatPlugin/);
  });

  test('writes for the owner only if there are passwords, and never over a file unasked', async ({ old }) => {
    const [secret, open] = [join(old.home, 'secret.conf'), join(old.home, 'open.conf')];
    await old.run('import', '--home', old.home, '--out', secret);
    old.conf('[agent]\nmb.ip = localhost\nmb.port = 1883\n');
    await old.run('import', '--home', old.home, '--out', open);

    const again = await old.run('import', '--home', old.home, '--out', secret);
    const kept = readFileSync(secret, 'utf8');
    const forced = await old.run('import', '--home', old.home, '--out', secret, '--force');

    expect(statSync(open).mode & 0o777 & ~0o644).toBe(0);
    expect(again).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('CONFIG_EXISTS') });
    expect(kept).toContain('change-me');
    expect(forced.exitCode).toBe(0);
    expect(readFileSync(secret, 'utf8')).not.toContain('change-me');
    old.conf(samples.conf);
    await old.run('import', '--home', old.home, '--out', open, '--force');
    expect(statSync(open).mode & 0o777).toBe(0o600);
  });

  test('never writes over what it reads, also not through a link', async ({ old }) => {
    const link = join(old.home, 'link.conf');
    symlinkSync(join(old.home, 'agent.conf'), link);

    for (const out of [join(old.home, 'agent.conf'), join(old.home, 'payload/launch-params'), link]) {
      const { exitCode } = await old.run('import', '--home', old.home, '--out', out, '--force');
      expect(exitCode).toBe(2);
    }
    expect(readFileSync(join(old.home, 'agent.conf'), 'utf8')).toBe(samples.conf);
  });

  test.for([
    { summary: 'a value that cannot be used', conf: '[agent]\nmb.ip = h\nmb.port = s3cret-not\n', says: 'mb.port' },
    { summary: 'a line that is none', conf: '[agent]\nmb.ip = h\ns3cret\n', says: 'not a "key = value" line' },
    { summary: 'a section nobody knows', conf: '[plugin]\nmb.password = s3cret\n', says: 'unknown section' },
    { summary: 'a continued line', conf: '[agent]\nmb.password = a\n  s3cret = b\n', says: 'does not continue' },
    { summary: 'control characters', conf: '[agent]\nmb.password = s3cret\u001b[31m\n', says: 'control character' },
    { summary: 'bytes that are no text', conf: Buffer.from([0xff, 0xfe, 0x00]), says: 'not UTF-8' },
  ])('of $summary writes nothing and says where', async ({ conf, says, summary }, { old }) => {
    old.conf(conf);
    const out = join(old.home, 'new.conf');

    const { exitCode, stdout, stderr } = await old.run('import', '--home', old.home, '--out', out);

    expect({ exitCode, stdout, exists: existsSync(out) }).toEqual({ exitCode: 78, stdout: '', exists: false });
    expect(stderr).toContain(says);
    if (summary !== 'a value that cannot be used') expect(stderr).not.toContain('s3cret');
  });

  test('of a template whose placeholders nobody replaced tells them, and what they meant', async ({ old }) => {
    old.conf('[agent]\nmb.urls =MB-URLS\nenable.initial.artifact.backup =ENABLE_INITIAL_ARTIFACT_BACKUP\n');

    const { exitCode, stdout, stderr } = await old.run('import', '--home', old.home);

    expect(exitCode).toBe(0);
    expect(stdout).not.toMatch(/MB-URLS|backup/);
    expect(stderr).toMatch(/does not start without:\n.*mb\.urls: not set; no broker is named/);
    expect(stderr).toMatch(/backup: left as a placeholder, it switched the backup on/);
  });

  test('tells an auto.commit that begins to have an effect, unless the platform says no', async ({ old }) => {
    const conf = '[agent]\nmb.ip = localhost\nmb.port = 1883\nauto.commit = true\n';
    const remarksWith = (params: Record<string, string>) =>
      importConf({
        conf: parseOriginalConf(conf, '/old'),
        confFile: '/old',
        payload: { file: '/params', params: new Map(Object.entries(params)) },
        extensionsDir: null,
      }).remarks.filter(({ key, about }) => key === 'auto.commit' && about === 'changed');

    expect(remarksWith({})).toHaveLength(1);
    expect(remarksWith({ COMMIT_ENABLED: 'false' })).toEqual([]);
    expect(existsSync(old.home)).toBe(true);
  });

  test('works without launch-params, as in an image, and says what is missing', async ({ old }) => {
    await rm(join(old.home, 'payload'), { recursive: true });

    const { exitCode, stdout, stderr } = await old.run('import', '--home', old.home);

    expect(exitCode).toBe(0);
    expect(stdout).not.toContain('param.file.path');
    expect(stderr).toContain('param.file.path: there is no launch-params beside it');
    expect(stderr).not.toContain('MEMBER_ID');
  });

  test('tells that terminator.txt ends nothing any more, where there is one', async ({ old }) => {
    const there = await old.run('import', '--home', old.home);
    const checked = await old.run('check', '--home', old.home);
    await rm(join(old.home, 'terminator.txt'));
    const gone = await old.run('import', '--home', old.home);

    expect(there.stderr).toMatch(/In the folder:\n(.*\n)*.*unless.*--home: terminator\.txt\n {4}end .*systemctl stop/);
    // With --home it does.
    expect(checked.stdout + gone.stderr).not.toContain('terminator.txt');
  });

  test('takes what [DEFAULT] and other keys say, and tells of sections for others', async ({ old }) => {
    old.conf('[DEFAULT]\nhost = mb\n[agent]\nmb.ip = %(host)s\nmb.port = 1883\n[logging]\nlevel = info\n');

    const { exitCode, stdout, stderr } = await old.run('import', '--home', old.home);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('\nmb.ip = mb\n');
    expect(stderr).toMatch(/Left out:\n.*\n.*\n.*agent\.conf:6: \[logging\]: the section is left out/);
  });

  test('tells scripts that would not run', async ({ old }) => {
    await chmod(join(old.home, 'extensions/bash/clean.sh'), 0o777);

    const { stderr } = await old.run('import', '--home', old.home);

    expect(stderr).toMatch(/clean\.sh: everybody may change it\n {4}Run chmod o-w/);
  });

  plain('gives back any value as it was read', () => {
    const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\p{Cc}\u2028\u2029]/u.test(text));
    fc.assert(
      fc.property(value, (password) => {
        const conf = parseOriginalConf(`[agent]\nmb.password = ${password}\n`, '/old');
        const { text } = importConf({ conf, confFile: '/old', payload: null, extensionsDir: null });

        const [entry] = parseConf(text, '/new').agent;
        expect(entry?.value ?? '').toBe(conf.agent[0]?.value.replace(/^null$/, '') ?? '');
      }),
    );
  });

  test.for([
    ['import'],
    ['import', '--conf', 'a', '--home', 'b'],
    ['import', '--home', 'b', '--force'],
    ['import', '--colour'],
    ['export'],
  ])('refuses %j', async (words, { old }) => {
    const { exitCode, stdout } = await old.run(...words);

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});

describe('config check', () => {
  test('says all that is wrong at once, and 78 only if the agent would not start', async ({ old }) => {
    const good = await old.run('check', '--home', old.home);
    old.conf('[agent]\nmb.urls = nowhere\nmb.port = many\n');
    const bad = await old.run('check', '--home', old.home, '--json');
    const asOurs = await old.run('check', '--conf', join(old.home, 'agent.conf'));

    expect(good).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^0 problems, \d+ warnings in /m) });
    expect(good.stdout).toContain('TomcatPlugin');
    expect(bad.exitCode).toBe(78);
    expect(JSON.parse(bad.stdout)).toMatchObject({
      schema: 'cartridge-agent.config-check/1',
      ok: false,
      problems: [
        { key: 'mb.urls', line: 2 },
        { key: 'mb.port', line: 3 },
      ],
    });
    expect(asOurs.stdout).toMatch(/2 problems/);
    expect(`${good.stdout}${bad.stdout}`).not.toContain('change-me');
  });
});

async function run(...words: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const exitCode = await command(words, { stdout, stderr, env: {}, signal: new AbortController().signal });
  stdout.end();
  stderr.end();
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) };
}

function loadOut(confFile: string) {
  return loadConfig({ confFile });
}
