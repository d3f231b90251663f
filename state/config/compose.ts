import type { Secret } from '../secret.ts';
import type {
  ArtifactsConfig,
  BrokerConfig,
  Config,
  HooksConfig,
  InstanceConfig,
  MonitoringConfig,
  ThriftConfig,
} from './config.ts';
import type { Entry } from './ini.ts';
import { keyNameOf, type Values } from './keys.ts';
import { identityKeys, scriptKeys } from './keys-launch.ts';
import { isSet } from './launch-params.ts';
import { isPlaceholder } from './placeholders.ts';
import { deepFreeze, readOnlyMap } from './read-only.ts';
import type { Inputs } from './settings.ts';

/** What belongs to the configuration besides the values of its keys. */
export interface Surroundings extends Pick<Inputs, 'entries' | 'params'> {
  readonly plugins: ReadonlyMap<string, readonly Entry[]>;
  /** What mb.username.file and mb.password.file hold; null when that is not set. */
  readonly usernameFromFile: string | null;
  readonly passwordFromFile: Secret | null;
  /** Makes a path absolute, as seen from the folder of agent.conf. */
  readonly resolvePath: (path: string) => string;
}

/** Groups the values by the part of the agent that uses them. They must have passed `checkTogether`. */
export function composeConfig(values: Values, around: Surroundings): Config {
  return deepFreeze({
    instance: instance(values),
    broker: broker(values, around),
    ports: {
      numbers: values.PORTS ?? [],
      host: values['listen.address'],
      timeoutMs: values['port.check.timeout'],
    },
    artifacts: artifacts(values, around),
    health: { enabled: values['cep.stats.publisher.enabled'], intervalMs: values['stats.notifier.interval'] },
    hooks: hooks(values, around),
    plugins: pluginOptions(around.plugins),
    loadBalancer: {
      clusterId: values.LB_CLUSTER_ID,
      privateIp: values['lb.private.ip'],
      publicIp: values['lb.public.ip'],
    },
    termination: {
      budgetMs: values['termination.budget'],
      onSigterm: values['shutdown.on.sigterm'],
      sigtermBudgetMs: values['termination.budget.sigterm'],
    },
    activationDeadlineMs: values['activation.deadline'],
    stateDir: around.resolvePath(values['state.dir']),
    log: { level: values['log.level'], format: values['log.format'] },
    thrift: thrift(values, around),
    monitoring: monitoring(values),
    metadata: { url: values['metadata.service.url'], token: values.TOKEN },
  });
}

function instance(values: Values): InstanceConfig {
  return {
    applicationId: values.APPLICATION_ID ?? '',
    serviceName: values.SERVICE_NAME ?? '',
    clusterId: values.CLUSTER_ID ?? '',
    memberId: values.MEMBER_ID ?? '',
    clusterInstanceId: values.CLUSTER_INSTANCE_ID,
    networkPartitionId: values.NETWORK_PARTITION_ID,
    partitionId: values.PARTITION_ID,
    tenantId: values.TENANT_ID,
    multiTenant: values.MULTITENANT,
    alias: values.CARTRIDGE_ALIAS,
    dependencyClusterIds: values.DEPENDENCY_CLUSTER_IDS ?? [],
  };
}

function broker(values: Values, { usernameFromFile, passwordFromFile, resolvePath }: Surroundings): BrokerConfig {
  const [urls, host, port] = [values['mb.urls'] ?? [], values['mb.ip'], values['mb.port']];
  const single = host === null || port === null ? [] : [{ host, port }];
  const encrypted = values['mb.tls'] ?? urls.some((url) => url.encrypted);
  const absolute = (path: string | null) => (path === null ? null : resolvePath(path));
  return {
    servers: urls.length === 0 ? single : urls.map(({ host, port }) => ({ host, port })),
    username: usernameFromFile ?? values['mb.username'],
    password: passwordFromFile ?? values['mb.password'],
    protocolVersion: values['mb.protocol.version'] === '5' ? 5 : 4,
    tls: encrypted
      ? {
          ca: absolute(values['mb.tls.ca']),
          cert: absolute(values['mb.tls.cert']),
          key: absolute(values['mb.tls.key']),
          servername: values['mb.tls.servername'],
        }
      : null,
  };
}

function artifacts(values: Values, { resolvePath }: Surroundings): ArtifactsConfig {
  const absolute = (path: string | null) => (path === null ? null : resolvePath(path));
  return {
    expected: values.REPO_URL !== null,
    path: values.APPLICATION_PATH,
    key: values.CARTRIDGE_KEY,
    protocols: values['artifact.protocols'],
    branch: values['artifact.branch'],
    timeoutMs: values['artifact.timeout'],
    maxBytes: values['artifact.max.bytes'],
    retries: values['artifact.clone.retries'],
    retryIntervalMs: values['artifact.clone.interval'],
    updateEnabled: values['enable.artifact.update'],
    updateIntervalMs: values['artifact.update.interval'],
    autoCheckout: values['auto.checkout'],
    commitEnabled: (values.COMMIT_ENABLED ?? values['auto.commit']) && values['artifact.layout'] === 'in-place',
    commitIdentity: { name: values['artifact.commit.name'], email: values['artifact.commit.email'] },
    drift: values['artifact.drift'],
    layout: values['artifact.layout'],
    releasesKept: values['artifact.releases.keep'],
    verify: {
      policy: values['artifact.verify'],
      signersFile: absolute(values['artifact.verify.signers']),
      timeoutMs: values['artifact.verify.timeout'],
    },
    ssh: { key: absolute(values['artifact.ssh.key']), knownHosts: absolute(values['artifact.ssh.known.hosts']) },
    backup: values['enable.initial.artifact.backup'],
    superTenantPath: values['super.tenant.repository.path'],
    tenantPath: values['tenant.repository.path'],
  };
}

function hooks(values: Values, around: Surroundings): HooksConfig {
  return {
    extensionsDir: around.resolvePath(values['extensions.dir']),
    pluginsDir: around.resolvePath(values['plugins.dir']),
    timeoutMs: values['hook.timeout'],
    passSecrets: values['extensions.pass.secrets'],
    paramFilePath: around.resolvePath(values['param.file.path']),
    launchParams: paramsForScripts(around),
    lvsVirtualIp: values.LVS_VIRTUAL_IP,
    persistenceMapping: values.PERSISTENCE_MAPPING,
    applicationPath: values.APPLICATION_PATH,
  };
}

/** Scripts must see the same identity as the agent, so what agent.conf overrides is overridden for them too. */
function paramsForScripts({ entries, params }: Surroundings): ReadonlyMap<string, string> {
  const overrides = entries.flatMap(({ key, value }) => {
    const name = keyNameOf(key);
    const forScripts = name !== null && (Object.hasOwn(identityKeys, name) || Object.hasOwn(scriptKeys, name));
    return forScripts ? [[name, isSet(value) && !isPlaceholder(value) ? value : null] as const] : [];
  });
  const counting = [...new Map(overrides)].flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  return readOnlyMap([...params, ...counting]);
}

function pluginOptions(plugins: Surroundings['plugins']): Config['plugins'] {
  const optionsOf = (entries: readonly Entry[]) => readOnlyMap(entries.map(({ key, value }) => [key, value]));
  return readOnlyMap([...plugins].map(([name, entries]) => [name, optionsOf(entries)]));
}

function thrift(values: Values, { resolvePath }: Surroundings): ThriftConfig {
  const ca = values['thrift.tls.ca'];
  const [host, port] = [values['thrift.receiver.ip'], values['thrift.receiver.port']];
  const single = host === null || port === null ? [] : [{ host, port }];
  return {
    receivers: values['thrift.receiver.urls'] ?? single,
    username: values['thrift.server.admin.username'],
    password: values['thrift.server.admin.password'],
    tls: {
      ca: ca === null ? null : resolvePath(ca),
      servername: values['thrift.tls.servername'],
      verify: values['thrift.tls.verify'],
    },
  };
}

function monitoring(values: Values): MonitoringConfig {
  return {
    enabled: values['enable.data.publisher'],
    host: values['monitoring.server.ip'],
    port: values['monitoring.server.port'],
    securePort: values['monitoring.server.secure.port'],
    username: values['monitoring.server.admin.username'],
    password: values['monitoring.server.admin.password'],
    logFiles: values['log.file.paths'] ?? [],
    bytesPerSecond: values['log.file.rate'],
    bufferBytes: values['log.file.buffer'],
  };
}
