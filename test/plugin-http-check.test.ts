import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished } from './support/current-test.ts';
import { instance } from './support/hooks.ts';
import { type PluginStage, test as staged } from './support/plugins.ts';

// The plugin `http-check` in its worker, and a real server.
const test = staged.concurrent;

type Section = Readonly<Record<string, string>>;

test('the instance is not activated before its service says it is ready', async ({ stage }) => {
  let status = 503;
  const { url } = await serve((_, response) => void response.writeHead(status).end('warming up'));
  const host = await start(stage, { url, retryAfterMs: '250' });

  const held = { kind: 'hold', reason: `${url}: status 503`, retryAfterMs: 250 };
  expect(await stage.fire(host, 'instanceActivating', {}, { attempt: 7 })).toMatchObject({
    asked: held,
    statuses: [`asking ${url}, look 7`],
  });
  status = 204;
  expect((await stage.fire(host, 'instanceActivating', {})).asked).toEqual({ kind: 'done' });
});

const page: RequestListener = (_, response) => void response.writeHead(200).end('<p>ready: 12</p>');
const endless: RequestListener = (_, response) => {
  const more = () => {
    while (response.write('x'.repeat(64 * 1024)));
  };
  response.on('drain', more);
  more();
};

test.for<[summary: string, RequestListener, Section, wrong: RegExp | null]>([
  ['a status that is none of them', page, { status: '201, 204' }, /status 200$/],
  ['one of them', (_, response) => void response.writeHead(418).end(), { status: '204, 418' }, null],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/' }).end(), {}, /status 302$/],
  ['text that is there', page, { body: 'ready:' }, null],
  ['text that is not there', page, { body: 'up' }, /its answer has no "up"$/],
  ['text that matches', page, { pattern: 'ready: \\d+' }, null],
  ['text that does not match', page, { pattern: '^ready' }, /its answer does not match \/\^ready\/$/],
  ['an answer without end', endless, { body: 'y' }, /its answer has no "y"$/],
  ['an answer without end that nobody asked about', endless, {}, null],
  ['no answer', () => {}, { timeoutMs: '100' }, /no answer within 100 ms$/],
  [
    'half an answer',
    (_, response) => void response.write('x'),
    { timeoutMs: '100', body: 'y' },
    /no answer within 100 ms$/,
  ],
  [
    'a connection that breaks',
    ({ socket }) => void socket.destroy(),
    {},
    /other side closed|ECONNRESET|socket hang up/,
  ],
])('%s', async ([, answer, section, wrong], { stage }) => {
  const { url } = await serve(answer);
  const host = await start(stage, { url, ...section });

  const { asked } = await stage.fire(host, 'instanceActivating', {});

  if (wrong === null) expect(asked).toEqual({ kind: 'done' });
  else expect(asked).toEqual({ kind: 'hold', reason: expect.stringMatching(wrong), retryAfterMs: 2_000 });
});

test('afterwards it is a number, and while active what is wrong degrades the instance', async ({ stage }) => {
  const { url, server } = await serve(page);
  const state = { now: 'started' };
  const host = await start(stage, { url, body: 'ready' }, state);

  expect(await host.health()).toEqual({ http_up: 100, http_response_ms: expect.any(Number) });
  server.closeAllConnections();
  server.close();
  expect(await host.health()).toEqual({ http_up: 0 });
  expect(host.problems()).toEqual([]);
  state.now = 'active';
  expect(await host.health()).toEqual({ http_up: 0 });

  const { port } = new URL(url);
  const message = expect.stringMatching(/^plugin http-check reports: http:.* ECONNREFUSED 127\.0\.0\.1/);
  expect(host.problems()).toMatchObject([{ code: 'PLUGIN_REPORT', plugin: 'http-check', message }]);
  await serve(page, Number(port));
  expect(await host.health()).toMatchObject({ http_up: 100 });
  expect(host.problems()).toEqual([]);
});

async function start(stage: PluginStage, section: Section, state = { now: 'started' }) {
  const host = stage.host({
    options: { 'http-check': section },
    instance: () => ({ ...instance, state: state.now }),
  });
  await host.ready;
  expect(host.problems()).toEqual([]);
  return host;
}

async function serve(answer: RequestListener, port = 0): Promise<{ url: string; server: Server }> {
  const server = createServer(answer).listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`, server };
}
