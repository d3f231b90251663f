import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../agent/config.ts';
import { confFileText } from '../state/config/conf-file.ts';
import { chapters, type KeyName, keyNames, keys } from '../state/config/keys.ts';

const shipped = readFileSync(new URL('../conf/agent.conf', import.meta.url), 'utf8');

test('the shipped agent.conf is what the keys say (else: node conf/write-agent-conf.ts)', () => {
  expect(shipped).toBe(confFileText());
});

test('the shipped agent.conf has every key once', () => {
  const examples = [...shipped.matchAll(/^# (\S+) = /gm)].map(([, name]) => name);

  expect(examples.toSorted()).toEqual(keyNames.toSorted());
  expect(chapters.flatMap((chapter) => Object.keys(chapter.keys))).toEqual(keyNames);
});

test('every example of the shipped agent.conf can be used', () => {
  const folder = mkdtempSync(join(tmpdir(), 'config-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['tls', 'payload']) mkdirSync(join(folder, name));
  for (const name of [
    'tls/ca.pem',
    'tls/client.pem',
    'tls/client-key.pem',
    'mb.username',
    'mb.password',
    'payload/launch-params',
  ])
    writeFileSync(join(folder, name), 'x');
  writeFileSync(join(folder, 'agent.conf'), shipped.replace(/^# (\S+ = )/gm, '$1'));

  const { config, sources } = loadConfig({ confFile: join(folder, 'agent.conf') });

  expect([...sources.keys.values()].filter(({ from }) => from !== 'agent.conf')).toEqual([]);
  expect(config.broker).toMatchObject({ protocolVersion: 4, tls: { servername: 'mb.example.org' } });
});

test.for(keyNames)('the default and the example of %s are values it takes', (name: KeyName) => {
  const { kind, fallback, example } = keys[name];

  expect(kind.read(example)).toHaveProperty('value');
  if (fallback !== null) expect(kind.read(fallback)).toHaveProperty('value');
});
