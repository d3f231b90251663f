import { expect, test } from 'vitest';
import { parseEventsOptions } from '../agent/commands/events/options.ts';

test.for([
  { url: 'mb1', server: { host: 'mb1', port: 1883 }, address: 'mqtt://mb1:1883' },
  { url: 'mb1:1884', server: { host: 'mb1', port: 1884 }, address: 'mqtt://mb1:1884' },
  { url: 'tcp://10.0.0.1/', server: { host: '10.0.0.1', port: 1883 }, address: 'mqtt://10.0.0.1:1883' },
  { url: 'mqtts://mb1', server: { host: 'mb1', port: 8883 }, address: 'mqtts://mb1:8883' },
  { url: 'SSL://mb1:1', server: { host: 'mb1', port: 1 }, address: 'mqtts://mb1:1' },
  { url: '[::1]', server: { host: '::1', port: 1883 }, address: 'mqtt://[::1]:1883' },
  { url: 'mqtt://[::1]:1884', server: { host: '::1', port: 1884 }, address: 'mqtt://[::1]:1884' },
  { url: 'mqtt://a@b:c@d:1', server: { host: 'd', port: 1 }, address: 'mqtt://d:1', username: 'a@b', password: 'c' },
  { url: 'u:@mb1', server: { host: 'mb1', port: 1883 }, address: 'mqtt://mb1:1883', username: 'u', password: '' },
  { url: 'u:50%@mb1', server: { host: 'mb1', port: 1883 }, address: 'mqtt://mb1:1883', username: 'u', password: '50%' },
])('--broker $url is $address', ({ url, server, address, username = null, password = null }) => {
  const options = parseEventsOptions(['--broker', url], {}) ?? expect.fail('no help was asked for');

  expect(options.address).toBe(address);
  expect(options.broker.servers).toEqual([server]);
  expect(options.broker.tls !== null).toBe(address.startsWith('mqtts:'));
  expect([options.broker.username, options.broker.password?.reveal() ?? null]).toEqual([username, password]);
});

test.for([
  [],
  ['--broker', ''],
  ['--broker', '::1'],
  ['--broker', 'mb1:0'],
  ['--broker', 'mb1:1,mb2:1'],
  ['--broker', 'ws://mb1'],
  ['--broker', 'mqtt://mb1/path'],
  ['--broker', 'mqtt://u:hunter2@mb1:port'],
  ['--broker', 'mqtt://:hunter2@mb1'],
  ['--broker', 'mb1', '--password-file', '/nowhere/at/all'],
  ['--broker', 'mb1', '--username', 'u', '--password-file', '/nowhere/at/all'],
  ['--broker', 'mb1', '--ca', '/nowhere/at/all'],
  ['--broker', 'mqtt://mb1', '--ca', 'package.json'],
  ['--broker', 'mb1', '--member', ' '],
  ['--broker', 'mb1', '--event', ''],
  ['--broker', 'mb1', '--count', '0'],
  ['--broker', 'mb1', '--timeout', 'soon'],
])('refuses: %j', (args) => {
  let message = '';
  try {
    parseEventsOptions(args, {});
  } catch (error) {
    expect(error).toMatchObject({ code: 'EVENTS_USAGE' });
    message = String(error);
  }

  expect(message).toContain('cannot ');
  expect(message).not.toContain('hunter2');
});

test('a password in the environment is nothing to a broker that wants no user', () => {
  const options = parseEventsOptions(['--broker', 'mb1'], { CARTRIDGE_AGENT_PASSWORD: 'hunter2' });

  expect(options?.broker).toMatchObject({ username: null, password: null });
});
