import { key } from './key.ts';
import { branch, choice, choices, flag, integer, orNone, path, subPath, text } from './kinds.ts';
import { duration, size } from './quantities.ts';

/** @see protocol.md 8 */
export const artifactKeys = {
  'artifact.protocols': key(choices(['https', 'ssh', 'http', 'git', 'file']), 'How git may reach a repository.', {
    fallback: 'https,ssh,http',
  }),
  'artifact.branch': key(
    branch,
    'What to check out: a branch, a tag, or a commit by its whole id. Without it: the HEAD of the repository.',
    {
      example: 'master',
    },
  ),
  'artifact.timeout': key(duration('s'), 'How long one clone or pull may take.', { fallback: '10m' }),
  'artifact.max.bytes': key(orNone(size), 'How large a repository may be.', {
    fallback: 'none',
    example: '2g',
  }),
  'artifact.clone.retries': key(integer(0, 1000), 'How often a failed clone is repeated; then with growing pauses.', {
    fallback: '5',
  }),
  'artifact.clone.interval': key(duration('s', { leastMs: 0 }), 'The pause before a clone is repeated.', {
    fallback: '10',
  }),
  'enable.artifact.update': key(flag, 'Whether to look for changes regularly, once artifacts are in place.', {
    fallback: 'true',
  }),
  'artifact.update.interval': key(duration('s'), 'How often to look for changes.', { fallback: '10' }),
  'auto.checkout': key(flag, 'Whether looking for changes pulls what is new in the repository.', {
    fallback: 'true',
  }),
  'auto.commit': key(flag, 'Whether local changes are committed and pushed. COMMIT_ENABLED wins over it.', {
    fallback: 'false',
  }),
  'enable.initial.artifact.backup': key(
    flag,
    'Whether to copy what is in the way of the first clone to <path>_backup.',
    {
      fallback: 'false',
    },
  ),
  'artifact.drift': key(
    choice(['report', 'restore', 'keep']),
    'What becomes of files that others have changed, without commits: told, put back, or left alone by updates, too.',
    { fallback: 'report' },
  ),
  'artifact.commit.name': key(text, 'Who commits local changes.', { fallback: 'cartridge-agent' }),
  'artifact.commit.email': key(text, 'The address of who commits.', { fallback: 'cartridge-agent@localhost' }),
  'artifact.layout': key(
    choice(['in-place', 'releases']),
    'Files in APPLICATION_PATH itself; or each commit in a folder of its own, and APPLICATION_PATH a link to one.',
    { fallback: 'in-place' },
  ),
  'artifact.releases.keep': key(integer(1, 1000), 'How many releases are kept.', { fallback: '3' }),
  'artifact.verify.timeout': key(
    duration('s'),
    'How long a new release may take until the ports answer; then the last good one comes back.',
    { fallback: '60' },
  ),
  'artifact.verify': key(
    choice(['none', 'signed-commit', 'signed-tag']),
    'Which signature a commit must have to be put in place.',
    { fallback: 'none' },
  ),
  'artifact.verify.signers': key(path, 'Who may sign: an allowed-signers file of ssh-keygen.', {
    example: 'allowed-signers',
  }),
  'artifact.ssh.key': key(path, 'The private key for repositories over ssh.', {
    example: '/etc/cartridge-agent/id_ed25519',
  }),
  'artifact.ssh.known.hosts': key(
    path,
    'The host keys of git servers. Without it: those the user of the agent knows.',
    {
      example: '/etc/cartridge-agent/known_hosts',
    },
  ),
  'super.tenant.repository.path': key(subPath, 'Where the artifacts of the super tenant go, if multi-tenant.', {
    fallback: '/repository/deployment/server/',
  }),
  'tenant.repository.path': key(subPath, 'Where the artifacts of the other tenants go, one folder each.', {
    fallback: '/repository/tenants/',
  }),
};
