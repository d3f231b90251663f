import { describe, expect, test } from 'vitest';
import { adviseTogether, checkTogether, keysWithoutEffect } from '../state/config/checks.ts';
import { parseConf } from '../state/config/ini.ts';
import { keyNames } from '../state/config/keys.ts';
import { parseLaunchParams } from '../state/config/launch-params.ts';
import { nearestOf } from '../state/config/nearest.ts';
import { readSettings } from '../state/config/settings.ts';
import { quiet } from './support/config-folder.ts';

const places = { confFile: 'agent.conf', paramsFile: 'launch-params' };
const identity = 'APPLICATION_ID=a,SERVICE_NAME=s,CLUSTER_ID=c,MEMBER_ID=m';

describe('agent.conf', () => {
  test('knows colons, comments, any case, CRLF and a byte order mark', () => {
    const text = '\uFEFF[AGENT]\r\n; comment\r\n  # comment\r\nMB.URLS : a:1\r\n\r\nLog.Level=warn\r\n';

    const { agent, problems } = parseConf(text, 'agent.conf');

    expect(problems).toEqual([]);
    expect(agent.map(({ key, value, line }) => [key, value, line])).toEqual([
      ['MB.URLS', 'a:1', 4],
      ['Log.Level', 'warn', 6],
    ]);
  });

  test.for(['just words', '= value', ': value', 'log.level = a\0b', '[agent', '[plugin]', '[plugin a b]', '[other]'])(
    'cannot have the line %j',
    (line) => {
      const { problems } = parseConf(`[agent]\n${line}\n`, 'agent.conf');

      expect(problems).toEqual([expect.objectContaining({ line: 2 })]);
    },
  );

  test('takes the last of a repeated key, and warns with both lines', () => {
    const { values, warnings } = readConf('log.level = warn\nLOG.LEVEL = debug');

    expect(values['log.level']).toBe('debug');
    expect(warnings).toEqual([
      expect.objectContaining({ line: 3, wrong: 'set in line 2 and again in line 3, which counts' }),
    ]);
  });

  test('warns of a statistics interval in ms', () => {
    expect(readConf('stats.notifier.interval = 15000').warnings).toEqual([
      expect.objectContaining({ line: 2, wrong: expect.stringContaining('read as 15000 ms') }),
    ]);
  });

  test.for<[string, string | null]>([
    ['mb.ulrs', 'mb.urls'],
    ['MB_URLS', 'mb.urls'],
    ['hook.timout', 'hook.timeout'],
    ['artifact.updte.intervall', 'artifact.update.interval'],
    ['APPLICATION-PATH', 'APPLICATION_PATH'],
    ['__proto__', null],
    ['entirely.something.else.altogether', null],
  ])('%s is probably %s', ([written, nearest]) => {
    expect(readConf(`${written} = x`).problems).toEqual([expect.objectContaining({ wrong: 'unknown key', nearest })]);
  });

  test('names the keys that change nothing', () => {
    const settings = readConf('mb.publisher.timeout = 10\nCOMMIT_ENABLED = true\nlog.level = info');

    expect(keysWithoutEffect(settings)).toEqual(['mb.publisher.timeout']);
  });
});

describe('keys together', () => {
  test.for<[string, [string, number | null][]]>([
    ['mb.urls = a:1', []],
    ['mb.ip = a\nmb.port = 1', []],
    ['', [['mb.urls', null]]],
    ['mb.ip = a', [['mb.port', null]]],
    ['mb.port = 1', [['mb.ip', null]]],
    ['mb.ip = a\nmb.port = x', [['mb.port', 3]]],
    ['mb.urls = x', [['mb.urls', 2]]],
    // Misspelt is not missing.
    ['mb.url = a:1', [['mb.url', 2]]],
    ['mb.ip = a\nmb.prot = 1', [['mb.prot', 3]]],
    ['mb.urls = mqtts://a:1\nmb.tls.key = y\nmb.tls.crt = x', [['mb.tls.crt', 4]]],
    ['mb.urls = a:1\nmb.password = x', [['mb.username', null]]],
    ['mb.urls = mqtts://a:1,b:2', [['mb.urls', 2]]],
    ['mb.urls = mqtts://a:1\nmb.tls = false', [['mb.tls', 3]]],
    ['mb.urls = mqtt://a:1\nmb.tls = true', [['mb.urls', 2]]],
    [
      'mb.urls = a:1\nmb.tls.ca = x\nmb.tls.key = y',
      [
        ['mb.tls.ca', 3],
        ['mb.tls.key', 4],
      ],
    ],
    ['mb.urls = mqtts://a:1\nmb.tls.key = y', [['mb.tls.cert', null]]],
    ['mb.urls = a:1\nmb.tls = true\nmb.tls.cert = y', [['mb.tls.key', null]]],
    [
      'mb.urls = a:1\nthrift.receiver.urls = b:2\nthrift.server.admin.username = u',
      [['thrift.server.admin.password', null]],
    ],
    [
      'mb.urls = a:1\nenable.data.publisher = true\nmonitoring.server.ip = h\nmonitoring.server.port = 1\nmonitoring.server.secure.port = 2\nmonitoring.server.admin.username = u',
      [['monitoring.server.admin.password', null]],
    ],
  ])('%j', ([conf, expected]) => {
    const settings = readConf(conf, identity);

    const problems = [...settings.problems, ...checkTogether(settings, places)];

    expect(problems.map(({ key, line }) => [key, line])).toEqual(expected);
  });

  test.for<[string, string[]]>([
    ['CLUSTER_INSTANCE_ID=i,NETWORK_PARTITION_ID=n,PARTITION_ID=p,TENANT_ID=1', []],
    ['CLUSTER_INSTANCE_ID=i,NETWORK_PARTITION_ID=n,PARTITION_ID=null,TENANT_ID=x', ['PARTITION_ID']],
    [
      'CLUSTER_INSTANCE_ID=i,NETWORK_PARTITION_ID=n,PARTITION_ID=p,TENANT_ID=1,REPO_URL=r,APPLICATION_PATH=/a',
      ['CARTRIDGE_KEY'],
    ],
  ])('%s is enough to start, with advice', ([params, expected]) => {
    const settings = readConf('mb.urls = a:1', `${identity},${params}`);

    expect(checkTogether(settings, places)).toEqual([]);
    expect(adviseTogether(settings, places).map(({ key }) => key)).toEqual(expected);
  });

  test('log publishing without a file is told', () => {
    const server = ['ip = h', 'secure.port = 2', 'admin.username = u', 'admin.password = p'];
    const conf = ['mb.urls = a:1', 'enable.data.publisher = true', ...server.map((it) => `monitoring.server.${it}`)];
    const settings = readConf(conf.join('\n'), quiet);

    expect(checkTogether(settings, places)).toEqual([]);
    expect(adviseTogether(settings, places)).toMatchObject([{ key: 'log.file.paths' }]);
  });
});

test('the nearest word counts a swap of neighbours as one edit', () => {
  expect(nearestOf('ab', ['bacd', 'ba'])).toBe('ba');
  expect(nearestOf('', ['abc'])).toBe(null);
});

test.for([
  ['mb.tls.verify', null],
  ['mb.tls.insecure', null],
  ['mb.tls.reject.unauthorized', null],
  ['mb.tls.cra', 'mb.tls.ca'],
  ['mb.tls.server_name', 'mb.tls.servername'],
  ['mbtls.ca', 'mb.tls.ca'],
  ['termination.budget.sigtrem', 'termination.budget.sigterm'],
  ['artifact.update.intervall', 'artifact.update.interval'],
] as const)('%s was meant to be %s: only what differs counts', ([word, meant]) => {
  expect(nearestOf(word, keyNames)).toBe(meant);
});

function readConf(lines: string, params = '') {
  const { agent } = parseConf(`[agent]\n${lines}\n`, 'agent.conf');
  return readSettings({ entries: agent, params: parseLaunchParams(params), paramsFile: 'launch-params' });
}
