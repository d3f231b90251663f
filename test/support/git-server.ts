import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** How the server answers: as git does, or in one of the ways git servers fail. */
export type GitServerMode =
  | { kind: 'serve' }
  /** As servers before 2018 do: only what has a name is given out. */
  | { kind: 'old' }
  /** As a plain web server does: the files of the repository, and no answer of git. */
  | { kind: 'files' }
  /** Takes every request and says nothing. */
  | { kind: 'hang' }
  /** Says nothing more, or closes the connection, after that much of a pack. */
  | { kind: 'stall' | 'die'; afterBytes: number }
  /** One wrong byte in each answer that is that long. */
  | { kind: 'corrupt'; atByte: number }
  | { kind: 'status'; status: number }
  /** To the same path there. */
  | { kind: 'redirect'; to: string };

/** What a client asked for. */
export interface GitRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | null;
}

/** git over smart HTTP, on a free port of the loopback address. */
export interface GitServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly requests: readonly GitRequest[];
  /** Of all answers so far, as far as they were handed to the network. */
  readonly sentBytes: number;
  mode: GitServerMode;
  /** When set, nobody else is let in. */
  account: { user: string; password: string } | null;
  /** As GitHub does: a wrong password is refused where none is needed. */
  refusesCredentials: boolean;
  createRepository(name: string): Promise<TestRepository>;
}

/** A bare repository, whose default branch is `main`. */
export interface TestRepository {
  readonly folder: string;
  readonly url: string;
  /** Adds and replaces files; `null` removes one. Returns the commit. */
  commit(files: Readonly<Record<string, string | Buffer | null>>): Promise<string>;
  /** Forgets the history: the next commit has no parent and no other file. */
  forget(): Promise<void>;
  /** Commits to that branch from now on; `asHead`: it is the default one too. */
  startBranch(name: string, options?: { asHead?: boolean }): Promise<void>;
  /** Runs git there, and returns its output without blanks at the ends. */
  git(...args: string[]): Promise<string>;
}

/** Starts a server with no repository; it stops, and all it has is removed, when disposed. */
export async function startGitServer(): Promise<GitServer> {
  const root = await mkdtemp(join(tmpdir(), 'git-server-'));
  const backend = join((await execute('git', ['--exec-path'])).stdout.trim(), 'git-http-backend');
  const requests: GitRequest[] = [];
  const connections: Socket[] = [];
  const http = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, url, authorization: headers.authorization ?? null });
    request.on('error', () => {});
    response.on('error', () => {});
    answer(request, response, { server, backend, root }).catch(() => void response.destroy());
  });
  http.on('connection', (connection) => connections.push(connection));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;

  const server: GitServer = {
    url,
    requests,
    get sentBytes() {
      return connections.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
    },
    mode: { kind: 'serve' },
    account: null,
    refusesCredentials: false,
    createRepository: async (name) => await createRepository(join(root, name), `${url}/${name}`),
    async [Symbol.asyncDispose]() {
      http.close();
      http.closeAllConnections();
      await rm(root, { recursive: true, force: true });
    },
  };
  return server;
}

/** Makes a bare repository in `folder`, which must not be there yet. */
export async function createRepository(folder: string, url: string): Promise<TestRepository> {
  const files = `${folder}.files`;
  await mkdir(files, { recursive: true });
  const name = { GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.org' };
  const env = {
    ...process.env,
    ...{ ...name, GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.org' },
    ...{ GIT_DIR: folder, GIT_WORK_TREE: files },
  };
  const git = async (...args: string[]) => (await execute('git', args, { env, cwd: files })).stdout.trim();
  await execute('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder]);
  // Whoever may fetch may push.
  await git('config', 'http.receivepack', 'true');
  let branch = 'main';

  return {
    folder,
    url,
    async commit(changes) {
      for (const [path, content] of Object.entries(changes)) await change(join(files, path), content);
      await git('add', '--all', '--force');
      const tree = await git('write-tree');
      const parent = await git('rev-parse', '--verify', '--quiet', `refs/heads/${branch}`).catch(() => '');
      const commit = await git('commit-tree', tree, '-m', 'a change', ...(parent === '' ? [] : ['-p', parent]));
      await git('update-ref', `refs/heads/${branch}`, commit);
      return commit;
    },
    async forget() {
      await rm(files, { recursive: true });
      await mkdir(files);
      await git('update-ref', '-d', `refs/heads/${branch}`);
    },
    async startBranch(next, { asHead = false } = {}) {
      branch = next;
      if (asHead) await git('symbolic-ref', 'HEAD', `refs/heads/${next}`);
    },
    git,
  };
}

async function change(file: string, content: string | Buffer | null): Promise<void> {
  if (content === null) return await rm(file, { recursive: true });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

interface Site {
  readonly server: GitServer;
  readonly backend: string;
  readonly root: string;
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  const { mode, account, refusesCredentials } = site.server;
  if (mode.kind === 'hang') return;
  if (mode.kind === 'redirect') return void response.writeHead(302, { location: `${mode.to}${request.url}` }).end();
  if (mode.kind === 'status') return void response.writeHead(mode.status).end('the server says no\n');
  const given = request.headers.authorization;
  const refused = account === null ? refusesCredentials && given !== undefined : given !== basic(account);
  if (refused) {
    return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  }
  if (mode.kind === 'files') return await serveFile(request, response, site);
  await runBackend(request, response, site);
}

/** Needs `git update-server-info` in the repository. */
async function serveFile(request: IncomingMessage, response: ServerResponse, { server, root }: Site): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', server.url);
  const content = await readFile(join(root, normalize(decodeURIComponent(pathname)))).catch(() => null);
  response.writeHead(content === null ? 404 : 200, { 'content-type': 'application/octet-stream' }).end(content ?? '');
}

function basic({ user, password }: { user: string; password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** CGI, as in RFC 3875: the request in the environment and on standard input, headers and body on standard output. */
async function runBackend(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  const url = new URL(request.url ?? '/', site.server.url);
  const backend = spawn(site.backend, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: site.root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      CONTENT_LENGTH: request.headers['content-length'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: site.server.mode.kind === 'old' ? '' : [request.headers['git-protocol'] ?? ''].flat().join(':'),
    },
  });
  response.on('close', () => void backend.kill('SIGKILL'));
  const given = pipeline(request, backend.stdin).catch(() => {});
  await pipeline(backend.stdout, headersFirst(response), failing(site.server.mode, response), response);
  await given;
}

/** Sends the headers that come before the empty line, and lets the body through. */
function headersFirst(response: ServerResponse): Transform {
  let head: Buffer | null = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (head === null) return done(null, chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return done();
      const headers = new Headers(
        head
          .toString('latin1', 0, end)
          .split('\r\n')
          .map((line) => line.split(/:\s*/, 2) as [string, string]),
      );
      const body = head.subarray(end + 4);
      head = null;
      response.writeHead(Number.parseInt(headers.get('status') ?? '200', 10), Object.fromEntries(headers));
      done(null, body);
    },
  });
}

function failing(mode: GitServerMode, response: ServerResponse): Transform {
  if (mode.kind === 'corrupt') return corrupting(mode.atByte);
  let leftBytes = mode.kind === 'stall' || mode.kind === 'die' ? mode.afterBytes : Number.POSITIVE_INFINITY;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      leftBytes -= chunk.length;
      if (leftBytes >= 0) return done(null, chunk);
      if (mode.kind === 'die') response.destroy();
      this.push(chunk.subarray(0, chunk.length + leftBytes));
      // Stalled: `done` is never called, so nothing more comes, and nothing ends.
    },
  });
}

function corrupting(atByte: number): Transform {
  let passedBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = atByte - passedBytes;
      passedBytes += chunk.length;
      if (at >= 0 && at < chunk.length) chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      done(null, chunk);
    },
  });
}
