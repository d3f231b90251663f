import { host } from './addresses.ts';
import { key } from './key.ts';
import { branch, choice, choices, flag, integer, orNone, path, subPath } from './kinds.ts';
import { duration, size } from './quantities.ts';

const later = { effect: 'later' } as const;

/** @see protocol.md 8 */
export const artifactKeys = {
  'artifact.protocols': key(choices(['https', 'ssh', 'http', 'git', 'file']), 'How git may reach a repository.', {
    fallback: 'https,ssh,http',
  }),
  'artifact.branch': key(branch, 'What to check out. Without it: the branch the repository names as its HEAD.', {
    example: 'master',
  }),
  'artifact.timeout': key(duration('s'), 'How long one clone or pull may take.', { fallback: '10m' }),
  'artifact.max.bytes': key(orNone(size), 'How large a repository may be.', {
    fallback: 'none',
    example: '2g',
    ...later,
  }),
  'artifact.clone.retries': key(integer(0, 1000), 'How often a failed clone is repeated; then with growing pauses.', {
    fallback: '5',
  }),
  'artifact.clone.interval': key(duration('s', { leastMs: 0 }), 'The pause before a clone is repeated.', {
    fallback: '10',
  }),
  'enable.artifact.update': key(flag, 'Whether to look for changes regularly, once artifacts are in place.', {
    fallback: 'true',
    ...later,
  }),
  'artifact.update.interval': key(duration('s'), 'How often to look for changes.', { fallback: '10', ...later }),
  'auto.checkout': key(flag, 'Whether looking for changes pulls what is new in the repository.', {
    fallback: 'true',
    ...later,
  }),
  'auto.commit': key(flag, 'Whether local changes are committed and pushed. COMMIT_ENABLED wins over it.', {
    fallback: 'false',
    ...later,
  }),
  'enable.initial.artifact.backup': key(
    flag,
    'Whether to copy what is in the way of the first clone to <path>_backup.',
    {
      fallback: 'false',
      ...later,
    },
  ),
  'super.tenant.repository.path': key(subPath, 'Where the artifacts of the super tenant go, if multi-tenant.', {
    fallback: '/repository/deployment/server/',
  }),
  'tenant.repository.path': key(subPath, 'Where the artifacts of the other tenants go, one folder each.', {
    fallback: '/repository/tenants/',
  }),
};

/** @see plugins.md */
export const hookKeys = {
  'extensions.dir': key(path, 'The folder of the executable hooks.', { fallback: 'extensions' }),
  'extensions.pass.secrets': key(flag, 'Whether executable hooks get CARTRIDGE_KEY, TOKEN and passwords.', {
    fallback: 'false',
  }),
  'plugins.dir': key(path, 'The folder of the plugins.', { fallback: 'plugins', ...later }),
  'hook.timeout': key(duration('s'), 'How long a hook may take, unless it says otherwise.', { fallback: '60' }),
};

/** @see design.md "Configuration and command line" */
export const agentKeys = {
  'param.file.path': key(path, 'The identity of this instance, as the platform wrote it.', {
    fallback: 'payload/launch-params',
  }),
  'state.dir': key(path, 'The folder for what must survive a restart of the agent.', {
    fallback: '/var/lib/cartridge-agent',
  }),
  'listen.address': key(host, 'Where the ports of this instance are probed.', { fallback: 'localhost' }),
  'port.check.timeout': key(duration('ms'), 'How long to wait for the ports before people are told; then it goes on.', {
    fallback: '600000',
  }),
  'activation.deadline': key(orNone(duration('s')), 'When to give up an instance that does not become active.', {
    fallback: 'none',
    example: '15m',
  }),
  'termination.budget': key(duration('s'), 'How long going down may take, all of it: drain, hooks, stop and kill.', {
    fallback: '10m',
  }),
  'shutdown.on.sigterm': key(
    flag,
    'Whether SIGTERM takes the instance down, as containers want it, not the agent alone.',
    {
      fallback: 'false',
      ...later,
    },
  ),
  'termination.budget.sigterm': key(duration('s'), 'The budget in that case.', { fallback: '8', ...later }),
  'log.level': key(choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace']), 'What is logged.', {
    fallback: 'info',
  }),
  'log.format': key(choice(['json', 'pretty']), 'How. Without it: pretty on a terminal, otherwise json.', {
    example: 'json',
  }),
};
