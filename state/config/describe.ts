import type { Server } from './addresses.ts';
import type { Config } from './config.ts';
import { identityKeys, scriptKeys } from './keys-launch.ts';
import { isSecretParam } from './launch-params.ts';

/**
 * The configuration in effect, by the names of the keys, for one log line. Keys that are not set are left out, times are
 * in ms. Secrets read `[redacted]`. Of launch-params, the values of keys we know are shown and of the others, in which
 * the container form has the whole environment, only the names.
 */
export function describeConfig(config: Config): Record<string, unknown> {
  const all = {
    ...describeBroker(config),
    ...describeAgent(config),
    ...describeArtifacts(config),
    ...describePlatform(config),
    ...describeParams(config.hooks.launchParams),
    // As understood: what was odd counts as not set.
    MULTITENANT: config.instance.multiTenant,
    TENANT_ID: config.instance.tenantId,
    APPLICATION_PATH: config.artifacts.path,
    PORTS: config.ports.numbers.length === 0 ? null : config.ports.numbers.join('|'),
    COMMIT_ENABLED: config.artifacts.commitEnabled,
    plugins: [...config.plugins.keys()],
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

function describeBroker({ broker }: Config): Record<string, unknown> {
  return {
    'mb.urls': shownServers(broker.servers),
    'mb.username': broker.username,
    'mb.password': redacted(broker.password),
    'mb.protocol.version': broker.protocolVersion,
    'mb.tls': broker.tls !== null,
    'mb.tls.ca': broker.tls?.ca ?? null,
    'mb.tls.cert': broker.tls?.cert ?? null,
    'mb.tls.key': broker.tls?.key ?? null,
    'mb.tls.servername': broker.tls?.servername ?? null,
  };
}

function describeAgent({ hooks, ports, stateDir, log, termination, activationDeadlineMs }: Config) {
  return {
    'param.file.path': hooks.paramFilePath,
    'state.dir': stateDir,
    'listen.address': ports.host,
    'port.check.timeout': ports.timeoutMs,
    'activation.deadline': activationDeadlineMs,
    'termination.budget': termination.budgetMs,
    'shutdown.on.sigterm': termination.onSigterm,
    'termination.budget.sigterm': termination.sigtermBudgetMs,
    'log.level': log.level,
    'log.format': log.format,
    'extensions.dir': hooks.extensionsDir,
    'extensions.pass.secrets': hooks.passSecrets,
    'plugins.dir': hooks.pluginsDir,
    'hook.timeout': hooks.timeoutMs,
  };
}

function describeArtifacts({ artifacts }: Config): Record<string, unknown> {
  return {
    'artifact.protocols': artifacts.protocols.join(','),
    'artifact.branch': artifacts.branch,
    'artifact.timeout': artifacts.timeoutMs,
    'artifact.max.bytes': artifacts.maxBytes,
    'artifact.clone.retries': artifacts.retries,
    'artifact.clone.interval': artifacts.retryIntervalMs,
    'enable.artifact.update': artifacts.updateEnabled,
    'artifact.update.interval': artifacts.updateIntervalMs,
    'auto.checkout': artifacts.autoCheckout,
    'auto.commit': artifacts.commitEnabled,
    'enable.initial.artifact.backup': artifacts.backup,
    'super.tenant.repository.path': artifacts.superTenantPath,
    'tenant.repository.path': artifacts.tenantPath,
  };
}

function describePlatform({ health, thrift, monitoring, metadata, loadBalancer }: Config): Record<string, unknown> {
  return {
    'cep.stats.publisher.enabled': health.enabled,
    'stats.notifier.interval': health.intervalMs,
    'thrift.receiver.urls': shownServers(thrift.receivers),
    'thrift.server.admin.username': thrift.username,
    'thrift.server.admin.password': redacted(thrift.password),
    'thrift.tls.ca': thrift.tls.ca,
    'thrift.tls.servername': thrift.tls.servername,
    'thrift.tls.verify': thrift.tls.verify,
    'enable.data.publisher': monitoring.enabled,
    'monitoring.server.ip': monitoring.host,
    'monitoring.server.port': monitoring.port,
    'monitoring.server.secure.port': monitoring.securePort,
    'monitoring.server.admin.username': monitoring.username,
    'monitoring.server.admin.password': redacted(monitoring.password),
    'log.file.paths': monitoring.logFiles.length === 0 ? null : monitoring.logFiles.join('|'),
    'log.file.rate': monitoring.bytesPerSecond,
    'log.file.buffer': monitoring.bufferBytes,
    'metadata.service.url': withoutUser(metadata.url),
    'lb.private.ip': loadBalancer.privateIp,
    'lb.public.ip': loadBalancer.publicIp,
  };
}

function describeParams(params: ReadonlyMap<string, string>): Record<string, unknown> {
  const known = (name: string) => Object.hasOwn(identityKeys, name) || Object.hasOwn(scriptKeys, name);
  const shown = [...params]
    .filter(([name]) => known(name))
    .map(([name, value]) => [name, isSecretParam(name) ? '[redacted]' : withoutUser(value)] as const);
  return { ...Object.fromEntries(shown), 'other launch-params': [...params.keys()].filter((name) => !known(name)) };
}

function shownServers(servers: readonly Server[]): string | null {
  const shown = servers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return shown.length === 0 ? null : shown.join(',');
}

function redacted(secret: object | null): '[redacted]' | null {
  return secret === null ? null : '[redacted]';
}

/** A URL may hold a user and a password, and tokens in its query. */
function withoutUser(text: string | null): string | null {
  return text === null ? null : text.replace(/\/\/\S*@/g, '//[redacted]@').replace(/\?\S+/g, '?[redacted]');
}
