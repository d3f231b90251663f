import { AgentError, reasonOf } from '../../state/errors.ts';
import { GitError } from './git/git.ts';

/** What a failure of git or of the file system was about. */
interface Involved {
  readonly tenantId: string;
  /** Without user info: messages end up in logs. */
  readonly repoUrl: string;
  readonly path: string;
}

/** There is nothing of the artifact yet, and it cannot be had. */
export class ArtifactCloneError extends AgentError {
  override readonly name = 'ArtifactCloneError';
  readonly code = 'ARTIFACT_CLONE_FAILED';
  readonly remedy: string;

  constructor(involved: Involved, options: { cause: unknown }) {
    super(`cannot clone ${involved.repoUrl}`, { ...options, facts: factsOf(involved, options.cause) });
    this.remedy = remedyFor(options.cause);
  }
}

/** The artifact is in place, and cannot be brought up to date. */
export class ArtifactFetchError extends AgentError {
  override readonly name = 'ArtifactFetchError';
  readonly code = 'ARTIFACT_FETCH_FAILED';
  readonly remedy: string;

  constructor(involved: Involved, options: { cause: unknown }) {
    super(`cannot fetch ${involved.repoUrl}`, { ...options, facts: factsOf(involved, options.cause) });
    this.remedy = remedyFor(options.cause);
  }
}

/** A commit is here, and cannot be put where it is served from. */
export class ArtifactPlaceError extends AgentError {
  override readonly name = 'ArtifactPlaceError';
  readonly code = 'ARTIFACT_PLACE_FAILED';
  readonly remedy: string;

  constructor(involved: Involved, options: { cause: unknown }) {
    super(`cannot place ${involved.repoUrl} in ${involved.path}`, {
      ...options,
      facts: factsOf(involved, options.cause),
    });
    this.remedy = remedyFor(options.cause);
  }
}

/** A job of git took longer than it may; all its processes have been ended. */
export class ArtifactTimeoutError extends AgentError {
  override readonly name = 'ArtifactTimeoutError';
  readonly code = 'ARTIFACT_TIMEOUT';
  readonly remedy = 'Check that the git server answers; raise artifact.timeout if the repository is that large.';

  constructor(involved: Involved, { timeoutMs }: { timeoutMs: number }) {
    super(`cannot finish ${involved.repoUrl} in ${timeoutMs} ms`, { facts: { ...named(involved), timeoutMs } });
  }
}

/** Asked for the artifact of a tenant that no event has named since the agent started; credentials are never stored. */
export class ArtifactUnknownError extends AgentError {
  override readonly name = 'ArtifactUnknownError';
  readonly code = 'ARTIFACT_UNKNOWN';
  readonly remedy = 'Nothing to do but wait: the platform sends ArtifactUpdated again.';

  constructor(tenantId: string) {
    super(`cannot tell which repository tenant ${tenantId} has`, { facts: { tenantId } });
  }
}

/** The object store of a clone lost something, in a power cut or by another hand; a fresh clone mends it. */
export function isDamage(cause: unknown): boolean {
  const said = saidOfClone(cause);
  // What is wrong with what the server sends is not wrong here.
  if (/fsck error|pack is corrupted|inflate returned|remote error/i.test(said)) return false;
  return damage.some((pattern) => pattern.test(said));
}

/** What git says of objects, of packs, and of refs and the rest. */
const damage: readonly RegExp[] = [
  /bad object|object file|corrupt|unable to (read (?!askpass)|parse)|missing (blob|tree|commit)|invalid sha1/i,
  /failed to (unpack tree|traverse parents)|not a (valid\s+|tree )object|nonexistent object|cannot read object/i,
  /could not (parse object|read [0-9a-f]{40}|get object info)|did not send all|unresolved deltas/i,
  /does not match index|far too short to be a packfile|not a GIT packfile|index file\s+is (too small|version)/i,
  /not a git repository|broken(?! pipe)|(unexpected|unterminated) line in|bad shallow line/i,
];

/** The index of a clone cannot be read. It can be made again from what the clone has. */
export function isBadIndex(cause: unknown): boolean {
  return badIndex.test(saidOfClone(cause));
}

const badIndex =
  /index file (smaller than expected|corrupt)|bad index (version|file)|bad signature 0x|cache entry (has null|out of order)|unordered stage entries|unknown index (version|entry)|index uses \S+ extension|malformed name field in the index/;

/**
 * What git says of the clone itself. Names that others have given say nothing of it (files below the line that is about
 * them, paths and URLs), and what the git server says of its own repository is not about this one.
 */
function saidOfClone(cause: unknown): string {
  if (!(cause instanceof GitError)) return '';
  return cause.message
    .split('\n')
    .filter((line) => !/^\t|^remote:|upload-pack|remote side/.test(line))
    .join('\n')
    .replaceAll(/'[^']*'|"[^"]*"|\S*\/\S*/g, '');
}

/** The server wants other credentials than it was given, or some, or none. */
export function isRefusal(cause: unknown): boolean {
  return /Authentication failed|could not read (Username|Password)|returned error: 40[13]/i.test(reasonOf(cause));
}

/** Remedies by what git and the file system say; the first that fits. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [
    /No space left on device|ENOSPC|quota exceeded|EDQUOT|unable to write file/i,
    'Free disk space where the artifact is placed, or in state.dir; the agent tries again by itself.',
  ],
  [/spawn git ENOENT/, 'Install git on this instance, and see that it is found in the PATH of the agent.'],
  [
    /returned error: 30\d|unable to update url base from redirection/i,
    'Give the URL that the git server redirects to: credentials are not sent to where a server redirects.',
  ],
  [
    /Host key for .* has changed/i,
    'Find out why the git server has another host key than before; only if that is right, correct artifact.ssh.known.hosts.',
  ],
  [
    /Host key verification failed/i,
    "Add the git server's host key to artifact.ssh.known.hosts, or to the known_hosts of the user the agent runs as.",
  ],
  [/UNPROTECTED PRIVATE KEY|bad permissions/i, 'Let nobody but the user the agent runs as read artifact.ssh.key.'],
  [
    /certificate/i,
    "Add the authority that signed the git server's certificate to those this instance trusts, or renew the certificate.",
  ],
  [
    /fsck error|pack is corrupted|inflate returned/i,
    'Have the repository checked where it is kept (git fsck): what the git server sends is damaged or malicious.',
  ],
  [/mismatched algorithms/i, 'Use a repository with SHA-1 ids: those with SHA-256 ids are not supported.'],
  [
    /Authentication failed|could not read (Username|Password)|returned error: 40[13]|Permission denied \(/i,
    'Check the user name and password (or ssh key) of the sign-up: the git server refused them.',
  ],
  [/couldn't find remote ref HEAD/i, 'Push a first commit to the repository: it is empty, or its default branch is.'],
  [/couldn't find remote ref/i, 'Check artifact.branch: the repository has no such branch, tag or commit.'],
  [
    /repository .*not found|returned error: 404|valid: is this a git repository|does not appear to be a git repository|not a git repository|does not exist/i,
    'Check the repository URL of the sign-up: the git server knows no such repository.',
  ],
  [
    /Permission denied|EACCES|EPERM|Read-only file system|EROFS|EEXIST|ENOTDIR|Not a directory/i,
    'Let the user the agent runs as write to APPLICATION_PATH, which has to be a folder, and to state.dir.',
  ],
];

function remedyFor(cause: unknown): string {
  const said = reasonOf(cause);
  const [, remedy] = remedies.find(([pattern]) => pattern.test(said)) ?? [];
  return remedy ?? 'Check that this instance can reach the git server; the agent tries again by itself.';
}

function factsOf(involved: Involved, cause: unknown): Readonly<Record<string, unknown>> {
  return { ...named(involved), reason: reasonOf(cause) };
}

/** These and no more: callers pass what they have, and that includes credentials. */
function named({ tenantId, repoUrl, path }: Involved): Involved {
  return { tenantId, repoUrl, path };
}
