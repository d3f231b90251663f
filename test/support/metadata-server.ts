import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What goes wrong with one request; the next one is answered again. */
export type Fault =
  /** Takes it and says nothing. */
  | { kind: 'hang' }
  /** Says nothing more after the headers. */
  | { kind: 'stall' }
  | { kind: 'reset' }
  /** Does what it was asked, and cannot say so any more. */
  | { kind: 'lost' }
  /** Promises more than it sends. */
  | { kind: 'torn' }
  /** Sends for ever. */
  | { kind: 'endless' }
  | { kind: 'status'; status: number }
  | { kind: 'text'; text: string }
  /** Sends back all it was sent, as a failure. */
  | { kind: 'echo'; status: number }
  /** The same, and it is no HTTP. */
  | { kind: 'echoAsGarbage' }
  | { kind: 'redirect'; to: string };

/** What a client asked for, as it came. */
export type MetadataRequest = {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly body: string;
};

/** The metadata service, on a free port of the loopback address. @see protocol.md section 11 */
export interface MetadataServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly MetadataRequest[];
  /** Those that a client has left before they were answered. */
  readonly leftCount: number;
  /** Applications it has heard of; for others it fails. */
  readonly applications: Set<string>;
  /** For the next requests, one each. */
  readonly faults: Fault[];
  /** Called for each request, before it is answered. */
  onRequest: (request: MetadataRequest) => void;
}

/** @param create - how to make the server: for one that speaks https */
export async function startMetadataServer(
  create: (listener: RequestListener) => Server = createServer,
): Promise<MetadataServer> {
  const store = createStore();
  const requests: MetadataRequest[] = [];
  const faults: Fault[] = [];
  const applications = new Set(['shop-app']);
  const state = { left: 0, onRequest: (_: MetadataRequest) => {} };
  const server = create((incoming, response) => void take(incoming, response));

  async function take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('close', () => {
      if (!response.writableFinished) state.left += 1;
    });
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, authorization: headers.authorization ?? null, body: await text(incoming) };
    requests.push(request);
    state.onRequest(request);
    const fault = faults.shift();
    if (fault !== undefined && fault.kind !== 'lost') return fail(fault, request, response);
    const [status, body] = store(request, applications);
    if (fault !== undefined) return void response.destroy();
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    applications,
    faults,
    get leftCount() {
      return state.left;
    },
    set onRequest(listener: (request: MetadataRequest) => void) {
      state.onRequest = listener;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** As the platform makes it for an application. */
export function tokenFor(applicationId: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part({ appId: applicationId })}.c2lnbmF0dXJl`;
}

type Reply = readonly [status: number, body?: string];

/** Properties of applications and of their clusters, at the paths the service has: none but these, as they are written. */
function createStore() {
  const scopes = new Map<string, Map<string, string[]>>();
  const path =
    /^\/metadata\/api\/applications\/([^/?#]+)(?:\/(clusters?)\/([^/?#]+))?\/properties(?:\/([^/?#]+)(?:\/value\/([^/?#]+))?)?$/;

  return (request: MetadataRequest, applications: ReadonlySet<string>): Reply => {
    const match = path.exec(request.path);
    if (match === null) return [404];
    const [application = '', clusterWord, cluster, key, value] = match
      .slice(1)
      .map((part) => part && decodeURIComponent(part));
    // With a key the word is `cluster`, without one it is `clusters`.
    if (clusterWord !== undefined && (key === undefined) !== (clusterWord === 'clusters')) return [404];
    if (request.authorization !== `Bearer ${tokenFor(application)}`) return [403];
    if (!applications.has(application)) return [500, 'no lock for this application'];
    const scope = JSON.stringify([application, cluster]);
    const properties = scopes.get(scope) ?? new Map<string, string[]>();
    scopes.set(scope, properties);
    if (request.method === 'GET') return read(properties, key);
    if (request.method === 'POST' && key === undefined)
      return write(properties, request.body, { replaces: cluster !== undefined });
    if (request.method === 'DELETE' && cluster === undefined) return remove(properties, key, value);
    return [405];
  };
}

function read(properties: Map<string, string[]>, key: string | undefined): Reply {
  if (key === undefined) {
    const all = [...properties].map(([name, values]) => ({ key: name, values: shown(values) }));
    return all.length === 0 ? [404] : [200, JSON.stringify({ properties: all })];
  }
  const values = properties.get(key);
  return values === undefined ? [404] : [200, JSON.stringify({ key, values: shown(values) })];
}

/** A list of one is written as that one. */
function shown(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? String(values[0]) : values;
}

function write(properties: Map<string, string[]>, body: string, { replaces }: { replaces: boolean }): Reply {
  const { key, values, ...strange } = JSON.parse(body);
  if (typeof key !== 'string' || !Array.isArray(values) || Object.keys(strange).length > 0) return [400];
  const before = replaces ? [] : (properties.get(key) ?? []);
  properties.set(key, [...new Set([...before, ...values])]);
  return [201];
}

function remove(properties: Map<string, string[]>, key: string | undefined, value: string | undefined): Reply {
  if (key === undefined) properties.clear();
  else if (!properties.has(key)) return [404];
  else if (value === undefined) properties.delete(key);
  else properties.set(key, properties.get(key)?.filter((kept) => kept !== value) ?? []);
  return [200];
}

function fail(fault: Exclude<Fault, { kind: 'lost' }>, request: MetadataRequest, response: ServerResponse): void {
  switch (fault.kind) {
    case 'hang':
      return;
    case 'stall':
      response.writeHead(200, { 'content-length': 100 }).write('{"key":');
      return;
    case 'torn':
      response.writeHead(200, { 'content-length': 100 }).write('{"key":', () => response.destroy());
      return;
    case 'reset':
      response.destroy();
      return;
    case 'endless':
      pour(response.writeHead(200));
      return;
    case 'status':
      response.writeHead(fault.status).end();
      return;
    case 'text':
      response.writeHead(200).end(fault.text);
      return;
    case 'echo':
      response.writeHead(fault.status).end(JSON.stringify(request));
      return;
    case 'echoAsGarbage':
      response.socket?.end(`what is ${JSON.stringify(request)}?\r\n\r\n`);
      return;
    case 'redirect':
      response.writeHead(307, { location: `${fault.to}${request.path}` }).end();
  }
}

function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(' '.repeat(64 * 1024)));
  if (!response.destroyed) response.once('drain', () => pour(response));
}
