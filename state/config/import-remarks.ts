import type { KeyName, Values } from './keys.ts';

/** What is different here. `when`: it is so only with these values; else whenever the key is set, or not set. */
export type Difference = {
  readonly wrong: string;
  readonly write: string;
  readonly when?: (values: Values) => boolean;
};

type Differences = Partial<Readonly<Record<KeyName, Difference>>>;

const nothing = 'nothing to do';

/** Keys of the originals that mean something else here. @see protocol.md 6.3, 8, 9, 10, 13 */
export const changedMeaning: Differences = {
  'thrift.receiver.urls': {
    wrong: 'statistics go to the brokers as well; and the certificates of these nodes are checked, which they were not',
    write: 'set thrift.tls.ca, unless the system knows who signed them; thrift.tls.verify = false is as it was',
  },
  'artifact.clone.retries': {
    wrong: 'then the originals gave up, and became active without artifacts; here it goes on, with growing pauses',
    write: `${nothing}; activation.deadline gives up an instance that does not get them`,
  },
  'port.check.timeout': {
    wrong: 'then the originals never became active; here people are told, and as soon as the ports answer it goes on',
    write: `${nothing}; activation.deadline gives up an instance whose ports stay closed`,
  },
  'auto.checkout': {
    wrong: 'the originals then could not check out at all; here only the regular look pulls nothing',
    write: nothing,
    when: (values) => !values['auto.checkout'],
  },
  'auto.commit': {
    wrong: 'it had no effect; here local changes are committed and pushed, as COMMIT_ENABLED says nothing else',
    write: 'write auto.commit = false, to have it as it was',
    when: (values) => values['auto.commit'] && values.COMMIT_ENABLED === null,
  },
  'enable.data.publisher': {
    wrong: 'rotation is followed, nothing waits for that server at the start, and its certificate is checked',
    write: 'set thrift.tls.ca, unless the system knows who signed it; thrift.tls.verify = false is as it was',
    when: (values) => values['enable.data.publisher'],
  },
  'metadata.service.url': {
    wrong: 'it is for plugins of this agent; the Python plugins that asked that service are not run',
    write: 'see plugins/README.md, if one of them is to be replaced',
  },
};

/** Keys that are not set, and what that means here. */
export const otherDefault: Differences = {
  'thrift.receiver.urls': {
    wrong: 'the originals did not start without it; here statistics go to the brokers alone',
    write: 'name the CEP nodes, if they only speak Thrift',
    when: (values) => values['thrift.receiver.ip'] === null,
  },
  'cep.stats.publisher.enabled': { wrong: 'the originals failed without it; here it is true', write: nothing },
  'enable.artifact.update': { wrong: 'the originals failed without it; here it is true', write: nothing },
  'auto.checkout': {
    wrong: 'it was off, and nothing could be checked out; here it is on',
    write: 'write auto.checkout = false, if nothing new is to be pulled without an event',
  },
  'hook.timeout': {
    wrong: 'scripts had all the time they took; here one is ended after 60 s, and the life goes on without it',
    write: 'write hook.timeout = 10m, or what the longest of them takes',
  },
  'extensions.pass.secrets': {
    wrong: 'scripts were given CARTRIDGE_KEY, TOKEN and passwords; here they are not',
    write: 'write extensions.pass.secrets = true, if one of them needs any',
  },
};

/** A placeholder that nobody replaced, and that did something. @see protocol.md 12 */
export const placeholderMeant: Differences = {
  'enable.initial.artifact.backup': {
    wrong: 'left as a placeholder, it switched the backup on; here that is not set, and off',
    write: 'write enable.initial.artifact.backup = true, if it is wanted',
  },
};
