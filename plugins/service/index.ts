import { definePlugin, type HealthContext, type PluginContext } from 'cartridge-agent/plugin';
import { commandService } from './command.ts';
import { openConnections } from './connections.ts';
import { options, type ServiceOptions } from './options.ts';
import type { Service } from './service.ts';
import { createSupervisor } from './supervisor.ts';
import { unitService } from './unit.ts';

// An example of a plugin that looks after something that lives longer than one hook. Its worker may be ended at any time,
// and the agent be restarted: so what must be known later is on disk, and whatever is done here can be done again.

type Context = PluginContext<ServiceOptions>;

/** All that is kept between two hooks; a new worker starts with a new one. */
const supervisor = createSupervisor();
const drainEveryMs = 1_000;

export default definePlugin({
  name: 'service',
  contract: 1,
  version: '1.0.0',
  options,
  hooks: {
    startServers: async (context) => {
      if (context.options.startAt === 'startServers') await start(context);
    },

    // It may have been started by the first update, by `startServers`, or have died: all the same here.
    artifactUpdated: async (context) => {
      if (await serviceOf(context).isRunning()) await reload(context);
      else await start(context);
    },

    drain: async ({ options: { ports, drainMs }, attempt }) => {
      await supervisor.release(); // from now on it may end
      const count = ports.length === 0 ? 0 : await openConnections(ports);
      // Connections that are kept alive may never end, and `clean` needs time, too. Each hold is one more attempt.
      if (count === 0 || attempt > drainMs / drainEveryMs) return;
      return { hold: `${count} open at port ${ports.join(', ')}`, retryAfterMs: drainEveryMs };
    },

    clean: async (context) => {
      const service = serviceOf(context);
      context.status(`stopping ${service.name}`);
      const kill = () => void service.kill();
      context.signal.addEventListener('abort', kill); // out of time: leaving must always be possible
      try {
        await supervisor.change(() => service.stop(context.signal));
      } finally {
        context.signal.removeEventListener('abort', kill);
      }
    },
  },

  health: async (context) => {
    const service = serviceOf(context);
    // After a restart of the agent no hook is called again that is through: here is where the service gets its watch back.
    if (await isToRun(service, context.instance.state)) supervisor.watch(service, context);
    return { service_up: (await service.isRunning()) ? 100 : 0, service_restarts: supervisor.restarts() };
  },
});

async function start(context: Context): Promise<void> {
  const service = serviceOf(context);
  context.status(`starting ${service.name}`);
  await supervisor.change(() => service.start(context.signal));
  supervisor.watch(service, context);
}

async function reload(context: Context): Promise<void> {
  const service = serviceOf(context);
  context.status(`reloading ${service.name}`);
  context.extend(context.options.graceMs + 30_000); // when it has to stop first
  // In whatever state this leaves it, it is watched: one that runs on with the old files is better than none.
  await supervisor
    .change(() => service.reload(context))
    .finally(() => {
      if (!context.signal.aborted) supervisor.watch(service, context);
    });
}

function serviceOf({ options: given, instance }: HealthContext<ServiceOptions>): Service {
  return given.unit !== undefined ? unitService(given.unit, given) : commandService(given, instance.memberId);
}

/** An active instance has started it; one that is on its way there perhaps. Nobody who is leaving wants it back. */
async function isToRun(service: Service, state: string): Promise<boolean> {
  return state === 'active' || (state === 'started' && (await service.wasStarted()));
}
