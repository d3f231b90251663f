import { assert, property, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConf } from '../state/config/ini.ts';
import type { KeyName } from '../state/config/keys.ts';
import { parseLaunchParams } from '../state/config/launch-params.ts';
import { readSettings } from '../state/config/settings.ts';

describe('a value in agent.conf', () => {
  const accepted: [KeyName, string, unknown][] = [
    ['hook.timeout', '5', 5_000],
    ['hook.timeout', '0.5', 500],
    ['hook.timeout', '500ms', 500],
    ['hook.timeout', '10 M', 600_000],
    ['hook.timeout', '2h', 7_200_000],
    ['port.check.timeout', '5', 5],
    ['port.check.timeout', '5s', 5_000],
    ['activation.deadline', 'None', null],
    ['activation.deadline', '15m', 900_000],
    ['artifact.max.bytes', '512', 512],
    ['artifact.max.bytes', '2G', 2 * 1024 ** 3],
    ['artifact.max.bytes', 'none', null],
    ['artifact.update.interval', '15', 15_000],
    ['artifact.clone.interval', '0', 0],
    ['artifact.clone.retries', '0', 0],
    ['stats.notifier.interval', '20', 20_000],
    ['stats.notifier.interval', '15000', 15_000],
    ['mb.tls', 'TRUE', true],
    ['mb.protocol.version', '5', '5'],
    ['artifact.protocols', 'SSH, https', ['ssh', 'https']],
    ['artifact.branch', 'release/1.2', 'release/1.2'],
    ['log.level', 'Debug', 'debug'],
    ['mb.ip', '[2001:db8::7]', '2001:db8::7'],
    ['mb.ip', 'fe80::1%eth0', 'fe80::1%eth0'],
    [
      'mb.urls',
      'a:1, tcp://b:2,',
      [
        { host: 'a', port: 1, encrypted: null },
        { host: 'b', port: 2, encrypted: false },
      ],
    ],
    ['mb.urls', 'MQTTS://[::1]:8883', [{ host: '::1', port: 8883, encrypted: true }]],
    ['thrift.receiver.urls', 'ssl://cep:7711', [{ host: 'cep', port: 7711 }]],
    ['super.tenant.repository.path', 'server', '/server/'],
    ['PORTS', '443|80|443|null', [443, 80]],
    ['TENANT_ID', '-1234', -1234],
    ['mb.username', 'a # b ; %(c)s = d', 'a # b ; %(c)s = d'],
    ['mb.username', '__proto__', '__proto__'],
  ];

  test.for(accepted)('%s = %s', ([key, text, value]) => {
    const { values, problems } = readConf(`${key} = ${text}`);

    expect(problems).toEqual([]);
    expect(values[key]).toEqual(value);
  });

  const refused: [KeyName, string, string][] = [
    ['hook.timeout', 'none', '"none" is not a time'],
    ['hook.timeout', '-1', '"-1" is not a time'],
    ['hook.timeout', '1d', '"1d" is not a time'],
    ['hook.timeout', '30000000', '"30000000" is not within 1 ms to 24 days'],
    ['stats.notifier.interval', '60', '"60" is not within 100 ms to 59 s'],
    ['stats.notifier.interval', '60000', '"60000ms" is not within 100 ms to 59 s'],
    ['artifact.max.bytes', '0', '"0" is not a size'],
    ['artifact.max.bytes', '1t', '"1t" is not a size'],
    ['artifact.clone.retries', '2.5', '"2.5" is not a whole number from 0 to 1000'],
    ['artifact.clone.retries', '1001', '"1001" is not a whole number from 0 to 1000'],
    ['mb.tls', 'yes', '"yes" is not true or false'],
    ['mb.protocol.version', '3.1.1', '"3.1.1" is not 4 or 5'],
    ['mb.port', '65536', '"65536" is not a port'],
    ['mb.port', '1e3', '"1e3" is not a port'],
    ['mb.ip', 'a b', '"a b" is not a host name or an address'],
    ['mb.urls', 'a', '"a" is not host:port'],
    ['mb.urls', 'a:1,b:0', '"b:0" is not host:port'],
    ['mb.urls', '::1:1883', '"::1:1883" is not host:port'],
    ['mb.urls', 'ws://a:1', '"ws://a:1" is not host:port'],
    ['mb.urls', 'constructor://a:1', '"constructor://a:1" is not host:port'],
    ['mb.urls', ',', 'the list is empty'],
    ['mb.urls', 'u:p@a:1', 'a user and a password do not belong into it'],
    ['artifact.protocols', 'https,ext', expect.stringContaining('"https,ext" is not one or more of https') as never],
    ['artifact.branch', '--upload-pack=x', '"--upload-pack=x" is not the name of a branch'],
    ['artifact.branch', 'a..b', '"a..b" is not the name of a branch'],
    ['super.tenant.repository.path', '/../x', '"/../x" is not a path below APPLICATION_PATH'],
    ['metadata.service.url', 'host:9443', '"host:9443" is not an http or https URL'],
    ['PORTS', '80|http', '"http" in it is not a port'],
    ['TENANT_ID', 'one', expect.stringContaining('"one" is not a whole number') as never],
    ['CARTRIDGE_KEY', 'short', 'a key has 16, 24 or 32 bytes'],
  ];

  test.for(refused)('not %s = %s', ([key, text, wrong]) => {
    const { problems } = readConf(`# comment\n${key} = ${text}`);

    expect(problems).toEqual([expect.objectContaining({ file: 'agent.conf', line: 3, key, wrong })]);
  });

  test('is the whole rest of the line, so any password can be written', () =>
    assert(
      property(string({ unit: 'grapheme-ascii', minLength: 1 }), (password) => {
        const text = `x${password}x`;
        expect(readConf(`mb.password = ${text}`).values['mb.password']?.reveal()).toBe(text);
      }),
    ));
});

describe('a value in launch-params', () => {
  test.for<[string, KeyName, unknown, string]>([
    ['PORTS=80|x|443', 'PORTS', [80, 443], '"x" in it is not a port; that part is skipped'],
    ['PORTS=x', 'PORTS', [], '"x" in it is not a port; that part is skipped'],
    ['MULTITENANT=maybe', 'MULTITENANT', false, '"maybe" is not true or false; taken as not set'],
    ['APPLICATION_PATH=www', 'APPLICATION_PATH', null, '"www" is not an absolute path; taken as not set'],
    ['TENANT_ID=x', 'TENANT_ID', null, expect.stringContaining('taken as not set') as never],
    ['CARTRIDGE_KEY=short', 'CARTRIDGE_KEY', null, 'a key has 16, 24 or 32 bytes; taken as not set'],
    ['mb.urls=nowhere', 'mb.urls', null, '"nowhere" is not host:port; taken as not set'],
  ])('%s warns and does not stop the agent', ([segment, key, value, wrong]) => {
    const { values, problems, warnings } = readParams(segment);

    expect(problems).toEqual([]);
    expect(values[key]).toEqual(value);
    expect(warnings).toEqual([expect.objectContaining({ file: 'launch-params', line: null, key, wrong })]);
  });

  test.for<[string, Record<string, string>]>([
    ['A=1,,B=,C=null,D', { A: '1' }],
    ['A=1,A=2', { A: '2' }],
    ['A=1,A=null', {}],
    [' A = x=y== ,\r\nB=2\n', { A: 'x=y==', B: '2' }],
    [`A='80|443',B='it'\\''s',C=',D='null'`, { A: '80|443', B: "it's", C: "'" }],
    ['=1,  =2,A=1\0', { A: '1' }],
    ['\uFEFFA=1', { A: '1' }],
    ['', {}],
  ])('%j is read as pairs', ([text, pairs]) => {
    expect(Object.fromEntries(parseLaunchParams(text))).toEqual(pairs);
  });

  test('never hurts, whatever it is', () =>
    assert(
      property(string({ unit: 'binary' }), (text) => {
        const { problems, values } = readParams(`${text},CLUSTER_ID=c`);
        expect([problems, values.CLUSTER_ID]).toEqual([[], 'c']);
      }),
    ));
});

function readConf(lines: string) {
  const { agent } = parseConf(`[agent]\n${lines}\n`, 'agent.conf');
  return readSettings({ entries: agent, params: new Map(), paramsFile: 'launch-params' });
}

function readParams(params: string) {
  return readSettings({ entries: [], params: parseLaunchParams(params), paramsFile: 'launch-params' });
}
