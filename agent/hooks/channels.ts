import { type ChildProcess, execFile, type StdioOptions } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Our ends of what connects us with a script. */
export type Ends = {
  /** Null: it is a file, and needs nobody to feed it. */
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  readonly stderr: Socket;
  /** File descriptor 3. */
  readonly report: Socket;
};

export type Channels = {
  /** For `spawn`. */
  readonly stdio: StdioOptions;
  /** To be called once, right after `spawn`, also when it failed: then without a child. Null: there is nothing to read. */
  attach(child: ChildProcess | null): Ends | null;
};

const pipes = ['stdout', 'stderr', 'report'] as const;

/** Makes the named pipes of a run. */
export async function makePipes(folder: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '600', ...pipes.map((name) => join(folder, name))]);
}

/**
 * What a script reads is a file, and what it says goes through named pipes; no name is needed any more once they are open.
 * Node's own pipes are sockets: a script that says `echo oops > /dev/stderr` would fail with them, and nobody could tell
 * which process still holds one.
 *
 * @param folder - a private one to make them in, or with the pipes in it already; null, or a full disk: sockets have to do
 * @param stdin - the document it is given, in pieces
 */
export async function openChannels(folder: string | null, stdin: readonly (string | Uint8Array)[]): Promise<Channels> {
  if (folder === null) return sockets(stdin);
  try {
    await writeFile(join(folder, 'stdin'), stdin, { mode: 0o600, flag: 'wx' });
    if (!existsSync(join(folder, pipes[0]))) await makePipes(folder);
    return fileAndPipes(folder);
  } catch {
    return sockets(stdin); // a script that can do less is still better than one that is not run
  }
}

function sockets(document: readonly (string | Uint8Array)[]): Channels {
  return {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    attach(child) {
      const [stdin, stdout, stderr, report] = child?.stdio ?? [];
      if (!(stdin instanceof Socket && stdout instanceof Socket)) return null;
      if (!(stderr instanceof Socket && report instanceof Socket)) return null;
      for (const piece of document) stdin.write(piece);
      stdin.end();
      return { stdin, stdout, stderr, report };
    },
  };
}

function fileAndPipes(folder: string): Channels {
  const opened: number[] = [];
  const open = (name: string, flags: number) => {
    const fd = openSync(join(folder, name), flags);
    opened.push(fd);
    return fd;
  };
  const pipe = (name: string) => {
    open(name, constants.O_RDWR); // never waits; with it the next two do not either
    return { read: open(name, constants.O_RDONLY), write: open(name, constants.O_WRONLY) };
  };
  try {
    const stdin = open('stdin', constants.O_RDONLY);
    const [stdout, stderr, report] = [pipe('stdout'), pipe('stderr'), pipe('report')];
    const ours = [stdout.read, stderr.read, report.read];
    return {
      stdio: [stdin, stdout.write, stderr.write, report.write],
      attach(child) {
        for (const fd of opened) if (child === null || !ours.includes(fd)) closeSync(fd);
        if (child === null) return null;
        return {
          stdin: null,
          stdout: readerOf(stdout.read),
          stderr: readerOf(stderr.read),
          report: readerOf(report.read),
        };
      },
    };
  } catch (thrown) {
    for (const fd of opened) closeSync(fd);
    throw thrown;
  }
}

function readerOf(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: false });
}

/** The processes that still hold a pipe made in `folder`, with the command each of them runs. */
export async function holdersOf(folder: string): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir('/proc')).filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid);
  const holders = await Promise.all(pids.map((pid) => holderIn(pid, folder).catch(() => null)));
  return holders.filter((holder) => holder !== null);
}

/** Another user's process does not let us look; then it is not named. */
async function holderIn(pid: string, folder: string): Promise<{ pid: number; command: string } | null> {
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (!target.startsWith(`${folder}/`)) continue;
    // Without its arguments: they may hold a password.
    return { pid: Number(pid), command: (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() };
  }
  return null;
}
