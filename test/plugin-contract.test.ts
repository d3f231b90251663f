import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pluginSections } from '../agent/plugins/sections.ts';
import httpCheck from '../plugins/http-check/index.ts';
import logPublisher from '../plugins/log-publisher/index.ts';
import service from '../plugins/service/index.ts';
import { onTestFinished } from './support/current-test.ts';
import { pluginContract } from './support/plugin-contract.ts';
import type { PluginStage } from './support/plugins.ts';

pluginContract(service, {
  async prepare({ folder }) {
    const command = await script(folder, 'while :; do sleep 0.05; done');
    return { command, runDir: join(folder, 'run'), settleMs: '20', graceMs: '500' };
  },
  refused: [
    { section: {}, says: /needs a command or a unit/ },
    { section: { command: 'a', unit: 'b' }, says: /needs a command or a unit/ },
    { section: { command: 'sh -c "exit' }, says: /command: a quote is not closed/ },
    { section: { unit: '--help me' }, says: /unit: not the name of a unit/ },
    { section: { command: 'a', stopSignal: 'SIGTREM' }, says: /stopSignal: there is no such signal/ },
    { section: { command: 'a', reload: 'SIGHOP' }, says: /reload: there is no such signal/ },
    { section: { command: 'a', ports: '80, 70000' }, says: /ports\.1: / },
    { section: { command: 'a', graceMs: '10s', drainMs: '-1' }, says: /graceMs: .*drainMs: / },
  ],
  slow: {
    hook: 'clean',
    async section({ folder }) {
      const command = await script(folder, "trap '' TERM; while :; do sleep 0.05; done");
      return { command, runDir: join(folder, 'run'), settleMs: '50', graceMs: '60000', reload: 'none' };
    },
  },
});

pluginContract(httpCheck, {
  prepare: async () => ({ url: await serve(200) }),
  refused: [
    { section: {}, says: /url: / },
    { section: { url: 'file:///etc/passwd' }, says: /url: not the URL of a web server/ },
    { section: { url: 'http://me:hush-hush@127.0.0.1/' }, says: /url: .*no user name or password/ },
    { section: { url: 'http://127.0.0.1/', status: '200, 700' }, says: /status\.1: / },
    { section: { url: 'http://127.0.0.1/', pattern: '(' }, says: /pattern: not a regular expression/ },
  ],
  slow: {
    hook: 'instanceActivating',
    section: async () => ({ url: await serve(null), timeoutMs: '60000' }),
  },
});

pluginContract(logPublisher, {
  async prepare({ folder }) {
    await writeFile(join(folder, 'one.log'), 'before\n');
    return { paths: `${join(folder, 'one.log')}, ${join(folder, 'missing.log')}`, pollMs: '10' };
  },
  refused: [
    { section: {}, says: /paths: / },
    { section: { paths: '' }, says: /paths: / },
    { section: { paths: 'relative.log' }, says: /paths\.0: not an absolute path/ },
    { section: { paths: '/a', bytesPerSecond: '10' }, says: /bytesPerSecond: / },
  ],
});

const files = { logFiles: ['/var/log/a.log', '/var/log/b, c.log'] };
const fromFiles = JSON.stringify(files.logFiles);

test.for<[summary: string, Parameters<typeof pluginSections>[0], Record<string, Record<string, string>>]>([
  ['nothing is asked for', { plugins: new Map(), monitoring: files }, {}],
  [
    'its section names no files',
    { plugins: new Map([['log-publisher', new Map([['lineBytes', '500']])]]), monitoring: files },
    { 'log-publisher': { paths: fromFiles, lineBytes: '500' } },
  ],
  [
    'its section names others',
    { plugins: new Map([['log-publisher', new Map([['paths', '/x']])]]), monitoring: files },
    { 'log-publisher': { paths: '/x' } },
  ],
  ['there are no files', { plugins: new Map(), monitoring: { logFiles: [] } }, {}],
])('sections of plugins: %s', ([, config, sections]) => {
  const written = [...pluginSections(config)].map(([name, section]) => [name, Object.fromEntries(section)]);

  expect(Object.fromEntries(written)).toEqual(sections);
});

async function script(folder: PluginStage['folder'], body: string): Promise<string> {
  const path = join(folder, 'serve.sh');
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

/** @param status - null: it never answers */
async function serve(status: number | null): Promise<string> {
  const server = createServer((_, response) => void (status === null || response.writeHead(status).end('well')));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
