import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { reasonOf } from '../../../state/errors.ts';
import type { Secret } from '../../../state/secret.ts';
import { afterStart } from '../../after-start.ts';
import type { Faults } from '../../faults.ts';
import { endProcesses } from './processes.ts';
import { type SshFiles, sshCommand } from './ssh.ts';

/** What git does right now, in its own figures. */
export interface GitProgress {
  /** `counting objects`, `receiving objects`, ... */
  readonly stage: string;
  readonly percent: number;
  readonly processed: number;
  readonly total: number;
}

/** Sent to this origin only, and only in a header. */
export interface Credential {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly user: string;
  readonly password: Secret;
}

/** One call of git. */
export interface GitCall {
  /** The folder with `.git` in it; git never looks for one further up. */
  readonly folder: string;
  /** Marks the processes of this call as working on that tree, for {@link Git.endLeftovers}. */
  readonly tree: string;
  readonly signal: AbortSignal;
  readonly credential?: Credential | null;
  /** Standard input; not empty. */
  readonly input?: string;
  /** Input and output have one character for each byte: names of files need not be UTF-8. */
  readonly inBytes?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly onProgress?: (progress: GitProgress) => void;
  /** Takes the output piece by piece, as bytes, where it is too much to keep: the call then returns none. Must not throw. */
  readonly onOutput?: (piece: Buffer) => void;
  /** Takes what git says beside its output, piece by piece. Must not throw. */
  readonly onMessage?: (piece: string) => void;
}

/** The one door to git. */
export interface Git {
  /**
   * Runs git and returns its output. When it rejects, no process of the call is left.
   *
   * @throws {@link GitError} when git fails, or is ended by the signal
   */
  run(args: readonly string[], call: GitCall): Promise<string>;
  /** Ends what an earlier run of this agent, killed meanwhile, left working on the tree. */
  endLeftovers(tree: string): Promise<void>;
}

/** What git said, without secrets and progress; it becomes the cause of a failure. */
export class GitError extends Error {
  override readonly name = 'GitError';
}

/**
 * @param options - `protocols`: those git may use; `environment`: that of the agent, of which git gets what it needs;
 *   `ssh`: none of either by default
 */
export function createGit(options: {
  protocols: readonly string[];
  environment: NodeJS.ProcessEnv;
  ssh?: SshFiles;
  faults?: Faults;
}): Git {
  return {
    run: (args, call) => run(args, call, options),
    endLeftovers: (tree) => endProcesses((entry) => entry.startsWith(`${jobVariable}=`) && entry.endsWith(` ${tree}`)),
  };
}

const library = afterStart(() => import('simple-git'));
const jobVariable = 'CARTRIDGE_AGENT_JOB';

type GitOptions = Parameters<typeof createGit>[0];

async function run(args: readonly string[], call: GitCall, options: GitOptions): Promise<string> {
  if (call.inBytes !== true) return await runOnce(args, call, options);
  const pieces: Buffer[] = [];
  await runOnce(args, { ...call, onOutput: (piece) => void pieces.push(piece) }, options);
  return Buffer.concat(pieces).toString('latin1');
}

async function runOnce(args: readonly string[], call: GitCall, options: GitOptions): Promise<string> {
  const job = `${randomUUID()} ${call.tree}`;
  const environment = { ...environmentOf(call, options), [jobVariable]: job };
  const failures: GitError[] = [];
  options.faults?.('spawn');
  try {
    const git = await prepare(environment, call, (failure) => failures.push(failure));
    const output = git.raw([...args]);
    return await endedWith(call.signal, output, () => endProcesses((entry) => entry === `${jobVariable}=${job}`));
  } catch (error) {
    throw failures[0] ?? new GitError(essenceOf(reasonOf(error), call));
  }
}

async function prepare(environment: Record<string, string>, call: GitCall, onFailure: (failure: GitError) => void) {
  const { simpleGit } = await library();
  return simpleGit({
    baseDir: call.folder,
    abort: call.signal,
    allowEnvironment: Object.keys(environment),
    unsafe: ownConfiguration,
    completion: { onClose: true, onExit: 2_000 },
    // By itself simple-git takes a silent failure, and a git that was killed, for success.
    errors: (error, { exitCode, stdErr }) => {
      if (error === undefined && exitCode === 0) return undefined;
      const said = essenceOf(Buffer.concat(stdErr).toString('utf8'), call);
      const failure = new GitError(said || `git ended with ${exitCode}`);
      onFailure(failure);
      return failure;
    },
    input: () => (call.input === undefined ? undefined : Buffer.from(call.input, call.inBytes ? 'latin1' : 'utf8')),
  })
    .env(environment)
    .outputHandler((_command, stdout, stderr) => {
      // The only listener so far is the one that keeps everything until the end.
      if (call.onOutput !== undefined) stdout.removeAllListeners('data').on('data', call.onOutput);
      // simple-git waits another 50 ms for a git that has said nothing, which is what most of ours do.
      stderr.once('end', () => stderr.emit('data', Buffer.alloc(0)));
      stderr.on('data', (chunk: Buffer) => {
        const text = chunk.toString('utf8');
        call.onMessage?.(text);
        reportProgress(text, call);
      });
    });
}

/** simple-git has this too, but sees only the first figure of a chunk, and chunks begin anywhere. */
function reportProgress(text: string, { onProgress }: GitCall): void {
  const [, stage, percent, processed, total] = [...text.matchAll(progressLine)].at(-1) ?? [];
  if (stage === undefined) return;
  onProgress?.({
    stage: stage.toLowerCase(),
    percent: Number(percent),
    processed: Number(processed),
    total: Number(total),
  });
}

const progressLine = /([A-Z][a-z ]+):\s+(\d+)% \((\d+)\/(\d+)\)/g;

/**
 * simple-git ends git alone, and leaves its helpers (git-remote-https, index-pack) working: so all processes of the job
 * are ended here, at once when the signal comes, and whenever git has failed.
 */
async function endedWith(signal: AbortSignal, output: Promise<string>, endJob: () => Promise<void>): Promise<string> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => void endJob().then(() => reject(signal.reason));
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([output, aborted]);
  } catch (error) {
    await endJob();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * simple-git guards these because others might choose their values; here they are constants of `environmentOf`. Its
 * patterns are loose: alias and pager are allowed because a repository's host may be called so.
 */
const ownConfiguration = {
  allowUnsafeConfigEnvCount: true,
  allowUnsafeAskPass: true,
  allowUnsafeSshCommand: true,
  allowUnsafeTemplateDir: true,
  allowUnsafeHooksPath: true,
  allowUnsafeAlias: true,
  allowUnsafePager: true,
};

const inherited = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'XDG_CONFIG_HOME', 'SSH_AUTH_SOCK', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
  ...['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'],
];

function environmentOf(call: GitCall, { protocols, environment, ssh = noFiles }: GitOptions): Record<string, string> {
  const known = inherited.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]]));
  return {
    ...Object.fromEntries(known),
    LC_ALL: 'C',
    GIT_DIR: join(call.folder, '.git'),
    GIT_WORK_TREE: call.folder,
    GIT_ALLOW_PROTOCOL: protocols.join(':'),
    // A new clone has no use for a dozen of sample hooks, which would take as long as all the rest of it.
    GIT_TEMPLATE_DIR: '',
    // Whoever may write in the clone must not say which object is meant by an id.
    GIT_NO_REPLACE_OBJECTS: '1',
    // Nobody is there to be asked, and no program either: it would inherit the credential.
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '',
    SSH_ASKPASS: 'true',
    SSH_ASKPASS_REQUIRE: 'force',
    GIT_SSH_COMMAND: sshCommand(ssh),
    GIT_SSH_VARIANT: 'ssh',
    ...configurationOf(call.credential ?? null),
    ...call.environment,
  };
}

const noFiles: SshFiles = { key: null, knownHosts: null };

/** Configuration by environment beats that of the repository, and is seen in no process list. */
function configurationOf(credential: Credential | null): Record<string, string> {
  const entries: [string, string][] = [
    ['core.hooksPath', '/dev/null'],
    ['safe.directory', '*'],
    ...incoming,
    ['submodule.recurse', 'false'],
    ['gc.autoDetach', 'false'],
    ['maintenance.autoDetach', 'false'],
    ['http.lowSpeedLimit', '100'],
    ['http.lowSpeedTime', '60'],
  ];
  if (credential !== null) {
    entries.push([`http.${credential.origin}/.extraHeader`, `Authorization: Basic ${basicOf(credential)}`]);
    // git sends extra headers to wherever it is redirected.
    entries.push(['http.followRedirects', 'false']);
  }
  const variables = entries.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(entries.length), ...Object.fromEntries(variables) };
}

/**
 * All that comes is checked before it is used, but for three mistakes that old versions of git made and that do no harm.
 * Packs stay packs: taken apart, one would be held in memory until it is checked, however large it is.
 */
const incoming: readonly [string, string][] = [
  ['fetch.fsckObjects', 'true'],
  ['fetch.fsck.badTimezone', 'ignore'],
  ['fetch.fsck.missingSpaceBeforeDate', 'ignore'],
  ['fetch.fsck.zeroPaddedFilemode', 'ignore'],
  ['fetch.unpackLimit', '1'],
];

function basicOf({ user, password }: Credential): string {
  return Buffer.from(`${user}:${password.reveal()}`, 'utf8').toString('base64');
}

/** Progress, and what git says whatever the cause was. */
const saysNothing =
  /\d+% \(\d+\/\d+\)|^Cloning into|^Please make sure you have the correct access rights|^and the repository exists/;

/** The last lines that say something. */
function essenceOf(text: string, { credential }: GitCall): string {
  const lines = text.split(/\s*[\r\n]+/).filter((line) => line !== '' && !saysNothing.test(line));
  // What is behind the question mark of a URL is often a token.
  const essence = lines
    .slice(-12)
    .join('\n')
    .slice(-2_000)
    .replaceAll(/(:\/\/[^\s?'"]*\?)[^\s'"/]*/g, '$1[redacted]');
  if (credential === undefined || credential === null) return essence;
  const password = credential.password.reveal();
  return [basicOf(credential), password, encodeURIComponent(password)]
    .filter((secret) => secret !== '')
    .reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), essence);
}
