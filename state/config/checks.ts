import { type KeyName, keys, type Values } from './keys.ts';
import type { ConfigWarning, Problem } from './problems.ts';
import type { Settings } from './settings.ts';

/** Where to point when a key is missing that nobody wrote. */
export interface Places {
  readonly confFile: string;
  readonly paramsFile: string;
}

type Finding = { readonly key: KeyName; readonly wrong: string; readonly write: string };

const identity = ['APPLICATION_ID', 'SERVICE_NAME', 'CLUSTER_ID', 'MEMBER_ID'] as const;
const monitoring = ['ip', 'secure.port', 'admin.username', 'admin.password'] as const;

/**
 * What is wrong between keys that are each right by themselves. A key that has a problem already gets no second one, nor
 * does one that somebody meant to write.
 */
export function checkTogether(settings: Settings, places: Places): Problem[] {
  const { values, problems } = settings;
  const named = new Set(problems.flatMap(({ key, nearest }) => [key, nearest]));
  const isBrokerNamed = ['mb.urls', 'mb.ip', 'mb.port'].some((key) => named.has(key));
  const inConf = [
    ...(isBrokerNamed ? [] : broker(values)),
    ...tls(values),
    ...trust(values),
    ...thrift(values),
    ...logs(values),
  ];
  return [
    ...inConf.map((finding) => located(finding, settings, places.confFile)),
    ...missing(values, identity).map((key) => located(notTold(key), settings, places.paramsFile)),
  ].filter(({ key }) => !named.has(key));
}

/** What the agent can live with, but a person should know. */
export function adviseTogether(settings: Settings, places: Places): ConfigWarning[] {
  const { values } = settings;
  const reported = ['CLUSTER_INSTANCE_ID', 'NETWORK_PARTITION_ID', 'PARTITION_ID', 'TENANT_ID'] as const;
  const forArtifacts = values.REPO_URL === null ? [] : (['APPLICATION_PATH', 'CARTRIDGE_KEY'] as const);
  const warned = new Set(settings.warnings.map(({ key }) => key));
  return [
    ...missing(values, reported).map((key) =>
      located(gone(key, 'events go out without it'), settings, places.paramsFile),
    ),
    ...missing(values, forArtifacts).map((key) => located(gone(key, artifactsNeed[key]), settings, places.paramsFile)),
    ...[
      ...writtenTwice(values),
      ...commitsOfReleases(values),
      ...signersOfNothing(values),
      ...publisherOfNothing(values),
    ].map((finding) => located(finding, settings, places.confFile)),
    ...withoutEffect(settings, places.confFile),
  ].filter(({ key }) => key === null || !warned.has(key));
}

/** The keys of agent.conf that are set and change nothing. */
export function keysWithoutEffect({ sources }: Pick<Settings, 'sources'>): KeyName[] {
  const written = [...sources].filter(([, { from }]) => from === 'agent.conf').map(([name]) => name);
  return written.filter((name) => keys[name].effect === 'ignored');
}

const artifactsNeed = {
  APPLICATION_PATH: 'REPO_URL asks for artifacts, and they cannot be put in place without it',
  CARTRIDGE_KEY: 'REPO_URL asks for artifacts, and the password of a repository cannot be read without it',
};

function broker(values: Values): Finding[] {
  const [urls, ip, port] = [values['mb.urls'], values['mb.ip'], values['mb.port']];
  const found: Finding[] = [];
  if (urls === null && ip === null && port === null) found.push(notSet('mb.urls', 'no broker is named'));
  if (urls === null && ip !== null && port === null) found.push(notSet('mb.port', 'mb.ip is set without it'));
  if (urls === null && ip === null && port !== null) found.push(notSet('mb.ip', 'mb.port is set without it'));
  const password = values['mb.password'] ?? values['mb.password.file'];
  const username = values['mb.username'] ?? values['mb.username.file'];
  if (password !== null && username === null)
    found.push(notSet('mb.username', 'a password is set without it, which MQTT does not allow'));
  return found;
}

function tls(values: Values): Finding[] {
  const schemes = new Set((values['mb.urls'] ?? []).map(({ encrypted }) => encrypted));
  const [tls, cert, key] = [values['mb.tls'], values['mb.tls.cert'], values['mb.tls.key']];
  if (schemes.has(true) && (schemes.has(false) || schemes.has(null)))
    return [finding('mb.urls', 'some brokers are mqtts:// and some are not', 'write the same scheme for all of them')];
  if (tls === true && schemes.has(false))
    return [finding('mb.urls', 'mb.tls = true, but the scheme says plain', 'write mqtts://, or no scheme at all')];
  if (tls === false && schemes.has(true))
    return [finding('mb.tls', 'off, but mb.urls says mqtts://', 'write mb.tls = true, or delete the line')];
  if (tls !== true && !schemes.has(true))
    return tlsKeys
      .filter((name) => values[name] !== null)
      .map((name) => finding(name, 'set, but mb.tls is off', 'write mb.tls = true, or delete the line'));
  if (cert === null && key !== null) return [notSet('mb.tls.cert', 'mb.tls.key is set without it')];
  if (cert !== null && key === null) return [notSet('mb.tls.key', 'mb.tls.cert is set without it')];
  return [];
}

const tlsKeys = ['mb.tls.ca', 'mb.tls.cert', 'mb.tls.key', 'mb.tls.servername'] as const;

function trust(values: Values): Finding[] {
  const [policy, signers] = [values['artifact.verify'], values['artifact.verify.signers']];
  if (policy !== 'none' && signers === null)
    return [notSet('artifact.verify.signers', `artifact.verify = ${policy} needs it`)];
  return [];
}

function signersOfNothing(values: Values): Finding[] {
  if (values['artifact.verify'] !== 'none' || values['artifact.verify.signers'] === null) return [];
  return [finding('artifact.verify.signers', 'set, but nothing is verified', 'write artifact.verify = signed-commit')];
}

/** A release is what was committed elsewhere: nothing of it is committed back. */
function commitsOfReleases(values: Values): Finding[] {
  const name = values.COMMIT_ENABLED === null ? 'auto.commit' : 'COMMIT_ENABLED';
  if (values['artifact.layout'] !== 'releases' || values[name] !== true) return [];
  return [
    finding(name, 'true, but not with artifact.layout = releases: nothing is committed', 'delete one of the two'),
  ];
}

function thrift(values: Values): Finding[] {
  const [urls, ip, port] = [
    values['thrift.receiver.urls'],
    values['thrift.receiver.ip'],
    values['thrift.receiver.port'],
  ];
  if (urls === null && ip === null && port === null) return [];
  const needed: KeyName[] = ['thrift.server.admin.username', 'thrift.server.admin.password'];
  if (urls === null) needed.unshift('thrift.receiver.ip', 'thrift.receiver.port');
  return missing(values, needed).map((key) => notSet(key, 'a CEP node is named without it'));
}

function logs(values: Values): Finding[] {
  if (!values['enable.data.publisher']) return [];
  const needed = monitoring.map((part) => `monitoring.server.${part}` as const);
  return missing(values, needed).map((key) => notSet(key, 'enable.data.publisher = true needs it'));
}

function publisherOfNothing(values: Values): Finding[] {
  if (!values['enable.data.publisher'] || (values['log.file.paths'] ?? []).length > 0) return [];
  return [notSet('log.file.paths', 'enable.data.publisher = true publishes nothing without it')];
}

/** A credential of systemd counts as a file. */
function writtenTwice(values: Values): Finding[] {
  return (['mb.username', 'mb.password'] as const)
    .filter((name) => values[name] !== null && values[`${name}.file`] !== null)
    .map((name) => finding(name, `${name}.file is set too, and wins`, 'delete one of the two'));
}

function withoutEffect(settings: Settings, file: string): ConfigWarning[] {
  const ignored = keysWithoutEffect(settings);
  if (ignored.length === 0) return [];
  const wrong = `set, and never has an effect: ${ignored.join(', ')}`;
  return [{ file, line: null, key: null, wrong, nearest: null, write: 'nothing to do' }];
}

function missing<Name extends KeyName>(values: Values, names: readonly Name[]): Name[] {
  return names.filter((name) => values[name] === null);
}

function notTold(key: KeyName): Finding {
  const write = `the platform writes it: see that this file is the payload of this instance, or set ${key} in agent.conf`;
  return finding(key, 'not set, and the agent cannot know who it is', write);
}

function gone(key: KeyName, wrong: string): Finding {
  return finding(key, `not set; ${wrong}`, `have the platform write it, or set ${key} in agent.conf`);
}

function notSet(key: KeyName, why: string): Finding {
  return finding(key, `not set; ${why}`, `write ${key} = ${keys[key].example}, with your value`);
}

function finding(key: KeyName, wrong: string, write: string): Finding {
  return { key, wrong, write };
}

function located(found: Finding, { sources }: Settings, otherwise: string): Problem {
  const source = sources.get(found.key);
  return { ...found, file: source?.file ?? otherwise, line: source?.line ?? null, nearest: null };
}
