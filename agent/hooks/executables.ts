import { lstatSync, readdirSync } from 'node:fs';
import { access, constants, open, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type HookName, hooks } from '../../plugins/contract.ts';
import { AgentError } from '../../state/errors.ts';
import { type Ordered, stratosNumber } from './runners.ts';

/** One file that is to be run for a hook. */
export type Executable = {
  /** For people: `artifactUpdated/90-warm`, `VolumeMount.sh`. */
  readonly name: string;
  readonly path: string;
  /** Smaller ones are run first. */
  readonly number: number;
  /** Found by the name Stratos gives the moment: it can neither hold nor veto nor block. */
  readonly isStratos: boolean;
};

/** A file is there to be run, and cannot be. */
export class HookUnusableError extends AgentError {
  override readonly name = 'HookUnusableError';
  readonly code = 'HOOK_UNUSABLE';
  readonly remedy: string;

  constructor(path: string, problem: keyof typeof problems, options: { cause?: unknown } = {}) {
    super(`cannot run ${path}: ${problems[problem].what}`, { ...options, facts: { path, problem } });
    this.remedy = problems[problem].remedy;
  }
}

/** The folder of scripts cannot be looked into. */
export class HookFolderError extends AgentError {
  override readonly name = 'HookFolderError';
  readonly code = 'HOOK_FOLDER_UNREADABLE';
  readonly remedy = 'Make extensions.dir and what is in it readable folders for the user the agent runs as.';

  constructor(path: string, options: { cause: unknown }) {
    super(`cannot look into ${path}`, { ...options, facts: { path } });
  }
}

const problems = {
  linkLoop: {
    what: 'it is a symbolic link that leads back to itself',
    remedy: 'Let it point to a file, or remove it.',
  },
  unreachable: {
    what: 'it cannot be looked at',
    remedy: 'Make the folders on the way to it readable for the user the agent runs as.',
  },
  missing: { what: 'there is no such file', remedy: 'Remove the broken link, or put the file it points to in place.' },
  notAFile: { what: 'it is not a file', remedy: 'Put an executable file there, or remove it.' },
  notExecutable: {
    what: 'it is not executable',
    remedy: 'Run chmod 755 on it, and see that its file system is not mounted noexec.',
  },
  worldWritable: { what: 'everybody may change it', remedy: 'Run chmod o-w on it, after a look at what is in it.' },
  lineEndings: {
    what: 'its first line ends as on Windows (CRLF), so its interpreter is not found',
    remedy: "Convert it with dos2unix, or sed -i 's/\\r$//'.",
  },
  interpreter: {
    what: 'the interpreter its first line names is missing or not executable',
    remedy: 'Install that interpreter, or correct the first line.',
  },
} as const;

/**
 * The executables of a hook: the Stratos script, and those of its folder.
 * `misnamed` are files of the folder that look like neither.
 *
 * @throws HookFolderError
 */
export function findExecutables(folder: string, hook: HookName): { executables: Executable[]; misnamed: string[] } {
  const script = hooks[hook].script;
  const stratos = script === null ? [] : [stratosScript(folder, script)].filter(({ path }) => exists(path));
  const files = readFolder(join(folder, hook)).filter((file) => !file.startsWith('.'));
  const numbered = files.filter(isNumbered);
  return {
    executables: [...stratos, ...numbered.map((file) => numberedFile(folder, `${hook}/${file}`))],
    misnamed: files.filter((file) => !numbered.includes(file)).map((file) => `${hook}/${file}`),
  };
}

/** Whether a file is run that has this name, in the folder of a hook. */
export function isNumbered(file: string): boolean {
  return /^\d+-./.test(file) && !leftover.test(file);
}

/** Among what is run for its hook: plugins may call it `artifactUpdated/90-warm` or `90-warm`, `StartServers.sh` or `StartServers`. */
export function placeOf({ name, number, isStratos }: Executable): Ordered {
  const shortName = isStratos ? name.slice(0, -'.sh'.length) : name.slice(name.indexOf('/') + 1);
  const order = { names: [name, shortName], number, before: [], after: [] };
  return { name, kind: isStratos ? 'stratos' : 'executable', order };
}

/** What editors and package managers leave behind, with the executable bit still on it. */
const leftover = /(~|\.bak|\.orig|\.swp|\.dpkg-\w+|\.rpm\w+)$/;

/**
 * Looks whether a file can be run, without running it.
 *
 * @throws HookUnusableError
 */
export async function inspectExecutable(path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new HookUnusableError(path, whyNotFound(cause), { cause });
  });
  if (!found.isFile()) throw new HookUnusableError(path, 'notAFile');
  if (!(await isExecutable(path))) throw new HookUnusableError(path, 'notExecutable');
  if ((found.mode & constants.S_IWOTH) !== 0) throw new HookUnusableError(path, 'worldWritable');
  const interpreter = await interpreterOf(path);
  if (interpreter === null) return;
  if (interpreter.endsWith('\r')) throw new HookUnusableError(path, 'lineEndings');
  const [command = ''] = interpreter.trim().split(/[ \t]/);
  if (isAbsolute(command) && !(await isExecutable(command))) throw new HookUnusableError(path, 'interpreter');
}

function stratosScript(folder: string, script: string): Executable {
  return { name: `${script}.sh`, path: join(folder, `${script}.sh`), number: stratosNumber, isStratos: true };
}

function numberedFile(folder: string, name: string): Executable {
  const number = Number.parseInt(name.slice(name.indexOf('/') + 1), 10);
  return { name, path: join(folder, name), number, isStratos: false };
}

function whyNotFound(cause: unknown): keyof typeof problems {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ELOOP') return 'linkLoop';
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreachable';
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new HookFolderError(path, { cause });
  }
}

/** A folder may be entered, which is the same bit. */
async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** What is behind `#!` in the first line, line end included; null for a binary, or a script without one. */
async function interpreterOf(path: string): Promise<string | null> {
  await using file = await open(path).catch(() => null);
  if (file === null) return null; // executable but not readable: a binary, or its interpreter will say so
  const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
  const [firstLine = ''] = buffer.toString('latin1', 0, bytesRead).split('\n');
  return firstLine.startsWith('#!') ? firstLine.slice(2) : null;
}
