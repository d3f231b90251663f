import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect } from 'vitest';
import { loadConfig } from '../agent/config.ts';
import { parseOriginalConf } from '../state/config/originals.ts';
import { errorOf, type Folder, minimal, quiet, test } from './support/config-folder.ts';
import { samples } from './support/originals.ts';

const read = (text: string) => parseOriginalConf(text, 'agent.conf');
const valuesOf = (text: string) => Object.fromEntries(read(text).agent.map(({ key, value }) => [key, value]));

/** The one at the top is at depth `length`, with those it refers to. */
const chain = (length: number) =>
  Array.from({ length }, (_, at) => `k${at + 1} = ${at === 0 ? 'end%%' : `%(k${at})s`}\n`).join('');
/** Each value twenty times the one before. */
const laughter = ['ha%%', ...Array.from({ length: 5 }, (_, at) => `%(k${at})s`.repeat(20))]
  .map((value, at) => `k${at} = ${value}\n`)
  .join('');

describe('an agent.conf of the originals', () => {
  test.for([
    { summary: 'a comment behind a blank and a semicolon', line: 'mb.password = a#b ; old', value: 'a#b' },
    { summary: 'a semicolon that is part of the value', line: 'mb.password = a;b', value: 'a;b' },
    { summary: 'only the first semicolon, as Python 2 has it', line: 'mb.password = a;b ;c', value: 'a;b ;c' },
    { summary: 'a value that starts with one', line: 'mb.password = ;a', value: ';a' },
    { summary: 'doubled percent signs', line: 'mb.password = 50%%%%off', value: '50%%off' },
    { summary: 'a lone percent sign', line: 'mb.password = 50%off', value: '50%off' },
    { summary: 'more equals signs and colons', line: 'mb.password : a=b:c==', value: 'a=b:c==' },
    { summary: 'an empty text in quotes', line: 'mb.password = ""', value: '' },
    { summary: 'null in any case', line: 'mb.password = NULL', value: '' },
  ])('has $summary', ({ line, value }) => {
    expect(valuesOf(`[agent]\n${line}\n`)).toEqual({ 'mb.password': value });
  });

  test('may have a byte order mark, line ends of Windows, REM lines and keys in any case', () => {
    const text = '\uFEFF[agent]\r\nREM mb.ip = old\r\nrem\r\nMB.IP = new\r\n';

    const { agent, problems, warnings } = read(text);

    expect(agent).toEqual([expect.objectContaining({ key: 'MB.IP', value: 'new', line: 4 })]);
    expect([...problems, ...warnings]).toEqual([]);
  });

  test('has its unknown and its computed keys left out, and that is told without a value', () => {
    const text =
      '[agent]\nmy.plugin.password = s3cret\nmb.url = s3cret\nplugins.dir = s3cret\nmb.ip = s3cret ; s3cret\n';

    const conf = read(text);

    expect(conf.agent.map(({ key }) => key)).toEqual(['mb.ip']);
    expect(conf.leftOut.map(({ key, line, nearest }) => [key, line, nearest])).toEqual([
      ['my.plugin.password', 2, null],
      ['mb.url', 3, 'mb.urls'],
      ['plugins.dir', 4, null],
    ]);
    expect(JSON.stringify([conf.leftOut, conf.warnings, conf.problems])).not.toContain('s3cret');
  });

  test.for([
    { summary: 'a key of its section', conf: '[agent]\nHost = h ; mine\nmb.ip = %(hOsT)s.%(host)s\n', value: 'h.h' },
    {
      summary: 'a key of [DEFAULT], wherever that is',
      conf: '[agent]\nmb.ip = a%(b)s\n[DEFAULT]\nb = c\n',
      value: 'ac',
    },
    {
      summary: 'its section before [DEFAULT]',
      conf: '[DEFAULT]\nb = no\n[agent]\nb = yes\nmb.ip = %(b)s\n',
      value: 'yes',
    },
    { summary: 'keys that refer to keys', conf: `[agent]\n${chain(9)}mb.ip = %(k9)s\n`, value: 'end%' },
    { summary: 'nothing that is doubled', conf: '[agent]\nhost = h\nmb.ip = %%(host)s\n', value: '%(host)s' },
    { summary: 'a key that is not set', conf: '[agent]\nhost = null\nmb.ip = %(host)s\n', value: '' },
  ])('refers to $summary', ({ conf, value }) => {
    const { agent, problems } = read(conf);

    expect(agent.map((entry) => [entry.key, entry.value])).toEqual([['mb.ip', value]]);
    expect(problems).toEqual([]);
  });

  test.for([
    { summary: 'a key that is not there', conf: '[other]\nhost = h\n[agent]\nmb.ip = %(host)s\n' },
    { summary: 'itself', conf: '[agent]\nmb.ip = a%(MB.IP)s\n' },
    { summary: 'a key that refers back', conf: '[agent]\na = %(b)s\nb = %(a)s\nmb.ip = %(a)s\n' },
    { summary: 'keys that refer to more than ten', conf: `[agent]\n${chain(10)}mb.ip = %(k10)s\n` },
    { summary: 'a key with a lone percent sign', conf: '[agent]\na = 5%\nmb.ip = %(a)s\n' },
    { summary: 'more and more of the same', conf: `[agent]\n${laughter}mb.ip = %(k5)s\n` },
  ])('that refers to $summary has a problem', ({ conf }) => {
    const { agent, problems } = read(conf);

    expect(agent).toEqual([]);
    expect(problems).toEqual([expect.objectContaining({ key: 'mb.ip', line: conf.split('\n').length - 1 })]);
  });

  test('may have sections for others, in which anything may be', () => {
    const text =
      '[logging]\nlevel = info\nhandlers = (a,\n  b)\ns3cret\n[agent] ; ours\nmb.ip = h\n[ag%ent:s3cret]\nmb.ip = s3cret\n';

    const { agent, problems, leftOut } = read(text);

    expect(agent).toEqual([expect.objectContaining({ key: 'mb.ip', value: 'h', line: 7 })]);
    expect(leftOut.map(({ key, line }) => [key, line])).toEqual([
      ['[logging]', 1],
      [null, 8],
    ]);
    expect(problems).toEqual([]);
    expect(JSON.stringify(leftOut)).not.toContain('s3cret');
  });

  test('has in [DEFAULT] what counts unless [agent] says otherwise', () => {
    const { agent, problems } = read('[agent]\nmb.ip = own\n[DEFAULT]\nmb.ip = other\nmb.port = 1883\n');

    expect(agent.map(({ key, value, line }) => [key, value, line])).toEqual([
      ['mb.ip', 'other', 4],
      ['mb.port', '1883', 5],
      ['mb.ip', 'own', 2],
    ]);
    expect(problems).toEqual([]);
  });

  test.for([
    { summary: 'of a misspelt [agent] asks whether that is meant', conf: '[agnet]\n', nearest: '[agent]' },
    { summary: 'that is for a plugin of ours has to name one', conf: '[plugin a b]\n', nearest: null },
    { summary: 'that is indented is part of a value, which it cannot be', conf: '[agent]\n  [x]\n', nearest: null },
  ])('has a section $summary', ({ conf, nearest }) => {
    const { leftOut, problems } = read(conf);

    expect([...leftOut, ...problems].map((found) => found.nearest)).toEqual([nearest]);
    expect(problems).toHaveLength(nearest === null ? 1 : 0);
  });

  test('of a megabyte is read at once', () => {
    const text = `[agent]\n${'mb.password = %%;%( \n'.repeat(40_000)}`;
    const startedAt = performance.now();

    read(text);

    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('a home', () => {
  test('has everything where the originals have it', ({ folder }) => {
    const { config, warnings } = loadHome(folder, { conf: samples.conf, params: samples.params });

    expect(config.broker.servers).toHaveLength(2);
    expect(config.instance.memberId).toMatch(/9c21$/);
    expect(config.hooks).toMatchObject({
      extensionsDir: join(folder.path, 'extensions/bash'),
      pluginsDir: join(folder.path, 'plugins'),
      paramFilePath: join(folder.path, 'payload/launch-params'),
    });
    expect(config.stateDir).toBe(join(folder.path, 'state'));
    expect(config.thrift.tls).toMatchObject({ ca: null, verify: false });
    expect(warnings.map(({ key, wrong }) => `${key}: ${wrong}`)).toEqual([
      'null: set, and never has an effect: mb.publisher.timeout, monitoring.server.port',
      expect.stringMatching(/^thrift\.tls\.ca: not set: certificates are not checked, as by the originals/),
    ]);
  });

  test('has what the originals did not know in conf.d, such as whose certificates to trust', ({ folder }) => {
    mkdirSync(join(folder.path, 'conf.d'));
    writeFileSync(join(folder.path, 'conf.d/trust.conf'), '[agent]\nthrift.tls.ca = ca.pem\n');
    writeFileSync(join(folder.path, 'ca.pem'), rootCertificates[0] ?? '');

    const { config, warnings } = loadHome(folder, { conf: samples.conf, params: samples.params });

    expect(config.thrift.tls).toMatchObject({ ca: join(folder.path, 'ca.pem'), verify: true });
    expect(warnings.filter(({ key }) => key === 'thrift.tls.ca')).toEqual([]);
  });

  test('starts with keys nobody knows, which an agent.conf of ours may not have', ({ folder }) => {
    const conf = `${minimal}my.plugin.key = x\n`;

    const { warnings } = loadHome(folder, { conf });

    expect(warnings).toContainEqual(expect.objectContaining({ key: 'my.plugin.key', line: 3 }));
    expect(errorOf(() => folder.load({ conf })).problems).toHaveLength(1);
  });

  test('starts with sections of others, and what [DEFAULT] says', ({ folder }) => {
    const conf = '[DEFAULT]\nhost = mb\nport = 1883\n[agent]\nmb.urls = %(host)s:%(port)s\n[logging]\nlevel = info\n';

    const { config, warnings } = loadHome(folder, { conf });

    expect(config.broker.servers).toEqual([{ host: 'mb', port: 1883 }]);
    expect(warnings).toContainEqual(expect.objectContaining({ key: '[logging]', line: 6 }));
  });

  test('does not follow what its agent.conf says of the folders, but for state.dir', ({ folder }) => {
    const { config } = loadHome(folder, {
      conf: `${minimal}extensions.dir = /elsewhere\nparam.file.path = /elsewhere\nstate.dir = kept\n`,
    });

    expect(config.hooks.extensionsDir).toBe(join(folder.path, 'extensions/bash'));
    expect(config.stateDir).toBe(join(folder.path, 'kept'));
  });

  test('gives way to what a file of ours says, which --conf names beside it', ({ folder }) => {
    const ours = join(folder.path, 'etc/agent.conf');
    mkdirSync(join(folder.path, 'etc'));
    writeFileSync(ours, `${minimal}mb.username = u\nmb.password = 50%%\nextensions.dir = hooks\n`);
    loadHome(folder, {});

    const { config } = loadConfig({ confFile: ours, home: folder.path });

    expect(config.broker.password?.reveal()).toBe('50%%');
    expect(config.hooks.extensionsDir).toBe(join(folder.path, 'etc/hooks'));
    expect(config.thrift.tls.verify).toBe(true);
    expect(config.stateDir).toBe(join(folder.path, 'state'));
  });

  test('without launch-params is told where they should be', ({ folder }) => {
    writeFileSync(join(folder.path, 'agent.conf'), minimal);

    const error = errorOf(() => loadConfig({ confFile: join(folder.path, 'agent.conf'), home: folder.path }));

    expect(error.problems.map(({ file }) => file)).toEqual([join(folder.path, 'payload/launch-params')]);
  });
});

function loadHome({ path }: Folder, { conf = minimal, params = quiet }: { conf?: string; params?: string }) {
  mkdirSync(join(path, 'payload'), { recursive: true });
  writeFileSync(join(path, 'agent.conf'), conf);
  writeFileSync(join(path, 'payload/launch-params'), params);
  return loadConfig({ confFile: join(path, 'agent.conf'), home: path });
}
