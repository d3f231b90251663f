import { z } from 'zod';
import { MemberStatus } from '../../state/messages/member.ts';
import { provenanceTriggers } from '../../state/provenance.ts';
import type { HookName } from './hooks.ts';

// One declaration is the type a plugin is given (input-types.ts), the JSON Schema of what an executable reads
// (input-schema.ts), and the table in plugins/README.md. Only a run that asks for a schema loads this file.

const text = (words: string) => z.string().describe(words);
const textOrNull = (words: string) => z.string().nullable().describe(words);
const count = (words: string) => z.int().describe(words);
const texts = (words: string) => z.array(z.string()).describe(words);
/** Passed on as it was received: unknown keys and order kept, nothing added. */
const document = (words: string) => z.unknown().describe(words);

/** Who we are: given to every hook beside its input. Null: the platform did not say. */
export const instanceSchema = z.object({
  applicationId: text('The application this instance belongs to.'),
  serviceName: text('The kind of cartridge this instance runs, such as `php`.'),
  clusterId: text('Its cluster.'),
  memberId: text('This instance, seen from its cluster.'),
  clusterInstanceId: textOrNull('The instance of the cluster it is part of.'),
  networkPartitionId: textOrNull('Where it runs.'),
  partitionId: textOrNull('Where in the network partition.'),
  tenantId: z.int().nullable().describe('The tenant the application was deployed by; -1234 is the super tenant.'),
});

const nothing = z.object({});

const artifactUpdate = z.object({
  tenantId: text('Whose artifact it is.'),
  path: text('Where the files are: an absolute path.'),
  repoUrl: text('Where they come from, without user info.'),
  oldCommit: textOrNull('The commit before; null before the first checkout.'),
  newCommit: text('The commit that is about to be put in place, or has been.'),
  branch: textOrNull('Branch, tag or commit, as configured; null: the default branch of the repository.'),
  authorDate: textOrNull('Of `newCommit`: RFC 3339 in UTC; null when not known any more, after a restart.'),
  subject: textOrNull('Of `newCommit`: one line; null when not known any more, after a restart.'),
  fingerprint: textOrNull('SHA-256 over mode, path and content of the files of `newCommit`; null when not known.'),
  signedBy: textOrNull('Who has signed it; null unless that was asked for.'),
  changedPaths: texts('Relative to `path`; the first 10,000.'),
  trigger: z
    .enum(provenanceTriggers)
    .describe('Why it is put in place: told by an event, found by a look, gone on with after a restart, a way back.'),
  durationMs: z.int().nullable().describe('What fetching has taken, and placing it; null when not known any more.'),
  event: z
    .object({
      clusterId: text('The cluster it named: the own one.'),
      repoUserName: text('As received.').optional(),
      repoPassword: z
        .literal('[redacted]')
        .describe(
          'Shows that there is one, never what it is: a plugin that has taken over `checkout` or `commit` is given it there.',
        )
        .optional(),
      status: text('As received.').optional(),
    })
    .nullable()
    .describe('The event that asked for it; null if our own look at the repository found the commit.'),
});

const port = z.object({
  protocol: text('Such as `http`.'),
  value: count('On the member itself.'),
  proxy: count('On the load balancer.'),
});

const member = z.object({
  serviceName: text('The kind of cartridge it runs.'),
  clusterId: text('Its cluster.'),
  memberId: text('The member.'),
  clusterInstanceId: text('The instance of the cluster it is part of.').optional(),
  networkPartitionId: text('Where it runs.').optional(),
  partitionId: text('Where in the network partition.').optional(),
  initTime: z.number().describe('When it was made, in epoch ms, by the clock of the platform.').optional(),
  instanceId: text('Given by the IaaS.').optional(),
  lbClusterId: text('The load balancers before it.').optional(),
  publicIPs: texts('All of them.'),
  defaultPublicIP: text('The one to use.').optional(),
  privateIPs: texts('All of them.'),
  defaultPrivateIP: text('The one to use.').optional(),
  properties: z.record(z.string(), z.string()).describe('As the platform set them.'),
  ports: z.array(port).describe('Where it serves.'),
  status: MemberStatus.describe('The current one in the topology.'),
  stateStack: z.array(MemberStatus).describe('Every status so far, oldest first.'),
});

const memberNotice = z.object({
  memberId: text('The member.'),
  clusterId: text('Its cluster.'),
  status: text("The platform's word for what happened, such as `In_Maintenance`."),
  member: member.describe('The member as the topology has it, or had it.'),
});

const domainMapping = z.object({
  applicationId: text('The application of the mapping.'),
  serviceName: text('The kind of cartridge it is for.'),
  clusterId: text('The cluster it is for.'),
  domainName: text('The domain, such as `shop.example.com`.'),
  tenantId: count('The tenant whose domain it is.'),
  tenantDomain: textOrNull('The name of that tenant; null while we do not know it.'),
});

/** What each hook is told, besides `instance`. Documents are tolerant: later versions may add fields. */
export const inputSchemas = {
  lvsInterface: z.object({ virtualIp: text('`address|netmask`, as LVS_VIRTUAL_IP has it.') }),
  volumeMount: z.object({
    persistenceMapping: text(
      'As PERSISTENCE_MAPPING has it: device, volume id and mount point, again and again, all separated by `|`.',
    ),
  }),
  instanceStarting: nothing,
  startServers: nothing,
  artifactUpdating: artifactUpdate,
  artifactUpdated: artifactUpdate,
  instanceActivating: nothing,
  instanceActivated: nothing,
  drain: nothing,
  clean: nothing,
  completeTopology: z.object({
    topology: document('The topology, as received.'),
    members: document('The members of the own cluster by id, as received.'),
  }),
  completeTenant: z.object({ tenants: document('The list of tenants, as received.') }),
  memberInitialized: memberNotice,
  memberStarted: memberNotice,
  memberActivated: memberNotice,
  memberMaintenance: memberNotice,
  memberSuspended: memberNotice,
  memberTerminated: memberNotice,
  tenantSubscribed: z.object({
    tenantId: count('The tenant.'),
    serviceName: text('What it subscribed to.'),
    clusterIds: texts('The clusters that serve it.'),
  }),
  domainMappingAdded: domainMapping.extend({
    contextPath: textOrNull('The path below the domain; null: all of it.'),
  }),
  domainMappingRemoved: domainMapping,
  applicationSignUpRemoved: z.object({
    applicationId: text('The own application.'),
    tenantId: count('The tenant that left.'),
  }),
  artifactDrifted: z.object({
    tenantId: text('Whose artifact it is.'),
    path: text('Where the files are: an absolute path.'),
    changedPaths: texts('Relative to `path`.'),
  }),
} satisfies { readonly [Name in HookName]: z.ZodObject };

/** What an executable reads from stdin, as one document. */
export function documentSchema(hook: HookName) {
  return z.object({ instance: instanceSchema.describe('Who we are.'), ...inputSchemas[hook].shape });
}
