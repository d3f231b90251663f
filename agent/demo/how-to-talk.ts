import type { Stage } from './stage.ts';

/** What to type while the demonstration is kept running. */
export function howToTalk({ broker, memberId, pageUrl, paths, program, repository }: Stage): string {
  const { host, port } = broker.server;
  const user = broker.username ? ` -u ${broker.username} -P PASSWORD` : '';
  const tls = broker.tls ? ' --capath /etc/ssl/certs' : '';
  const at = `-h ${host} -p ${port}${user}${tls}`;
  const name = host.includes(':') ? `[${host}]` : host;
  const url = `${broker.tls ? 'mqtts' : 'mqtt'}://${broker.username ? `${encodeURIComponent(broker.username)}@` : ''}${name}:${port}`;
  const cleanup = JSON.stringify({ memberId });
  const lines = [
    ['page', pageUrl],
    ['all events', `mosquitto_sub ${at} -v -t '#'`],
    ['in words', `node ${program} events --broker ${url}`],
    ['take it down', `mosquitto_pub ${at} -q 1 -t instance/notifier/InstanceCleanupMemberEvent -m '${cleanup}'`],
    ['repository', repository.url],
    ['application', paths.application],
    ['state', paths.state],
    ["agent's log", paths.log],
  ] as const;
  const rows = lines.map(([name, value]) => `  ${name.padEnd(14)}${value}`);
  return `\nThe instance is active. Ctrl-C takes it down and removes all of this.\n\n${rows.join('\n')}\n\n`;
}
