import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadConfig } from '../agent/config.ts';
import { ConfigError } from '../state/config/problems.ts';
import { type Folder, minimal, test } from './support/config-folder.ts';

test('user and password come from files, without the line feed an editor leaves', ({ folder }) => {
  const conf = `${minimal}mb.username.file = user\nmb.password.file = secrets/password\n`;

  const { config, warnings } = folder.load({ conf, others: { user: 'shop\r\n', 'secrets/password': 'p#1 ;\n' } });

  expect(config.broker.username).toBe('shop');
  expect(config.broker.password?.reveal()).toBe('p#1 ;');
  expect(warnings).toEqual([]);
});

test('a file wins over what is written, and that is said', ({ folder }) => {
  const conf = `${minimal}mb.username = old\nmb.username.file = user\n`;

  const { config, warnings } = folder.load({ conf, others: { user: 'new' } });

  expect(config.broker.username).toBe('new');
  expect(warnings).toMatchObject([{ key: 'mb.username', line: 3, wrong: 'mb.username.file is set too, and wins' }]);
});

test('the credentials of systemd are used without a key', ({ folder }) => {
  const { config, warnings } = withCredentials(folder, minimal, { 'mb.username': 'shop\n', 'mb.password': 'hidden\n' });

  expect(config.broker.username).toBe('shop');
  expect(config.broker.password?.reveal()).toBe('hidden');
  expect(warnings).toEqual([]);
});

test('a credential wins over what is written, and that is said without the secret', ({ folder }) => {
  const conf = `${minimal}mb.username = shop\nmb.password = stale-1\n`;

  const { config, warnings } = withCredentials(folder, conf, { 'mb.password': 'hidden' });

  expect(config.broker.password?.reveal()).toBe('hidden');
  expect(warnings).toMatchObject([{ key: 'mb.password' }]);
  expect(JSON.stringify(warnings)).not.toMatch(/stale|hidden/);
});

test('a file that agent.conf names wins over a credential', ({ folder }) => {
  writeFileSync(join(folder.path, 'named'), 'named');
  const conf = `${minimal}mb.username = shop\nmb.password.file = named\n`;

  const { config } = withCredentials(folder, conf, { 'mb.password': 'hidden' });

  expect(config.broker.password?.reveal()).toBe('named');
});

test('an empty credential is a problem, at its place', ({ folder }) => {
  const load = () => withCredentials(folder, `${minimal}mb.username = u\n`, { 'mb.password': '\n' });

  expect(load).toThrow(ConfigError);
  expect(load).toThrow(/credentials/);
});

test('a credential without a user is a problem', ({ folder }) => {
  expect(() => withCredentials(folder, minimal, { 'mb.password': 'hidden' })).toThrow(ConfigError);
});

test('that the check of certificates cannot be switched off is said to who tries', ({ folder }) => {
  folder.load();

  const { warnings } = loadConfig({
    confFile: join(folder.path, 'agent.conf'),
    environment: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
  });

  expect(warnings).toMatchObject([{ wrong: expect.stringContaining('checked all the same') }]);
});

/** As systemd does with `LoadCredential=`. */
function withCredentials({ path, load }: Folder, conf: string, files: Readonly<Record<string, string>>) {
  const credentials = join(path, 'credentials');
  mkdirSync(credentials, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(credentials, name), text);
  try {
    load({ conf });
  } catch (error) {
    // Without the credentials it may be incomplete.
    if (!(error instanceof ConfigError)) throw error;
  }
  return loadConfig({
    confFile: join(path, 'agent.conf'),
    environment: { CREDENTIALS_DIRECTORY: credentials },
  });
}
