import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './mosquitto.ts';

const execute = promisify(execFile);
const program = '/usr/sbin/sshd';

/** Without it, what needs it is left out; in CI it is required. */
export const hasSshServer = process.env['CI'] !== undefined || existsSync(program);

/** Debian's OpenSSH server on a free port of the loopback address; it knows one key of one user, this one. */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  /** The private key that it lets in. */
  readonly key: string;
  /** What ssh has to know it by. */
  readonly knownHosts: string;
  /** `ssh://` with the user; `path` is absolute. */
  urlOf(path: string): string;
  /** Makes another key, which it does not know, and returns its file. */
  strangeKey(): Promise<string>;
}

/** @param name - of the folder that keys are in, which is part of their paths */
export async function startSshServer(name = 'keys'): Promise<SshServer> {
  const root = await mkdtemp(join(tmpdir(), 'ssh-server-'));
  const folder = join(root, name);
  await mkdir(folder);
  const port = await freePort();
  const hostKey = await makeKey(join(root, 'host'));
  const key = await makeKey(join(folder, 'id'));
  const knownHosts = join(folder, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${await readFile(`${hostKey}.pub`, 'utf8')}`);
  await writeFile(join(root, 'authorized'), await readFile(`${key}.pub`));
  await writeFile(join(root, 'conf'), `${configuration(root, port).join('\n')}\n`);
  // It will not start without, and Debian makes it only for the service.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const server = spawn(program, ['-D', '-e', '-f', join(root, 'conf')], { stdio: 'ignore' });
  await untilListening(port, server);

  return {
    port,
    key,
    knownHosts,
    urlOf: (path) => `ssh://${userInfo().username}@127.0.0.1:${port}${path}`,
    strangeKey: async () => await makeKey(join(folder, 'strange')),
    async [Symbol.asyncDispose]() {
      const ended = once(server, 'exit');
      if (server.kill()) await ended;
      await rm(root, { recursive: true, force: true });
    },
  };
}

function configuration(root: string, port: number): string[] {
  return [
    ...['ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${join(root, 'host')}`, 'PidFile none', 'UsePAM no'],
    ...[`AuthorizedKeysFile ${join(root, 'authorized')}`, 'StrictModes no', 'PermitRootLogin yes'],
    ...['PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'LogLevel QUIET'],
  ];
}

async function makeKey(file: string): Promise<string> {
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  return file;
}

async function untilListening(port: number, server: ChildProcess): Promise<void> {
  while (server.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await pause(20);
  }
  throw new Error(`sshd ended with ${server.exitCode}`);
}
