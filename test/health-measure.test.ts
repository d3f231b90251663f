import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test as plainTest } from 'vitest';
import { createMeasure } from '../agent/health/measure.ts';

type Machine = {
  readonly roots: { readonly proc: string; readonly cgroup: string };
  write(files: Readonly<Record<string, string>>): Promise<void>;
};

/** A machine with 8 cores, 16 GiB of which 4 are available, and a load of 12. */
const host = {
  'proc/meminfo': 'MemTotal:       16777216 kB\nMemFree:          100000 kB\nMemAvailable:    4194304 kB\n',
  'proc/loadavg': '12.00 3.00 1.00 2/345 6789\n',
  'proc/stat': `cpu  1 2 3\n${Array.from({ length: 8 }, (_, core) => `cpu${core} 1 2 3\n`).join('')}intr 1 2\n`,
};
const ofHost = { memory_consumption: 75, load_average: 150 };
const gib = 1024 ** 3;
/** Of a container. */
const id = 'a1'.repeat(32);

const test = plainTest.extend<{ machine: Machine }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  machine: async ({}, use) => {
    const root = await mkdtemp(join(tmpdir(), 'machine-'));
    const write: Machine['write'] = async (files) => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(root, name)), { recursive: true });
        await writeFile(join(root, name), text);
      }
    };
    await write(host);
    await use({ roots: { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') }, write });
    await rm(root, { recursive: true });
  },
});

describe('a machine of our own', () => {
  test('is measured by memory that is not available, and load per core', async ({ machine }) => {
    expect(await createMeasure(machine)()).toEqual(ofHost);
  });

  test('is measured whatever limits our own service has', async ({ machine }) => {
    await machine.write({
      'proc/self/cgroup': '0::/system.slice/cartridge-agent.service\n',
      'cgroup/cpu.stat': 'usage_usec 1000\n',
      'cgroup/system.slice/cartridge-agent.service/memory.max': `${gib}\n`,
      'cgroup/system.slice/cartridge-agent.service/memory.current': `${gib}\n`,
      'cgroup/system.slice/cartridge-agent.service/cpu.max': '10000 100000\n',
      'cgroup/system.slice/cartridge-agent.service/cpu.stat': 'usage_usec 1000\n',
    });

    expect(await createMeasure(machine)()).toEqual(ofHost);
  });

  test('has control groups of version 1 without limits', async ({ machine }) => {
    await machine.write({
      'cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup/memory/memory.usage_in_bytes': `${gib}\n`,
      'cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'cgroup/cpuacct/cpuacct.usage': '1\n',
    });

    expect(await createMeasure(machine)()).toEqual(ofHost);
  });

  for (const files of [
    { 'proc/meminfo': '', 'proc/loadavg': '', 'proc/stat': '' },
    { 'proc/meminfo': 'MemTotal: 0 kB\nMemAvailable: 0 kB\n', 'proc/loadavg': 'nan', 'proc/stat': 'cpu 1' },
    { 'proc/meminfo': 'MemTotal: x', 'cgroup/memory.max': 'y', 'cgroup/cpu.max': '-5 0', 'cgroup/cpu.stat': 'z' },
    {
      'cgroup/memory.max': '0',
      'cgroup/memory.current': '5',
      'cgroup/cpu.max': '0 0',
      'cgroup/cpu.stat': 'usage_usec 1',
    },
  ]) {
    test(`with broken files is measured all the same: ${JSON.stringify(files)}`, async ({ machine }) => {
      await machine.write(files);

      const { memory_consumption, load_average } = await createMeasure(machine)();

      expect(memory_consumption).toBeGreaterThan(0);
      expect(memory_consumption).toBeLessThanOrEqual(100);
      expect(load_average).toBeGreaterThanOrEqual(0);
      expect(load_average).toBeLessThan(10_000);
    });
  }

  test('may have no such files at all', async () => {
    const nowhere = { proc: '/nowhere', cgroup: '/nowhere' };

    expect((await createMeasure({ roots: nowhere })()).memory_consumption).toBeGreaterThan(0);
  });
});

/** The same limits (2 GiB, 1.5 cores) and the same use of memory (1 GiB, and a half in cache), as the kernel shows them. */
const containers = [
  {
    summary: 'of version 2',
    files: {
      'cgroup/memory.max': `${2 * gib}\n`,
      'cgroup/memory.current': `${1.5 * gib}\n`,
      'cgroup/memory.stat': `anon 1\ninactive_file ${gib / 2}\nactive_file 7\n`,
      'cgroup/cpu.max': '150000 100000\n',
    },
    used: (ms: number) => ({ 'cgroup/cpu.stat': `usage_usec ${ms * 1000}\nuser_usec 5\n` }),
  },
  {
    summary: 'of version 1',
    files: {
      'cgroup/memory/memory.limit_in_bytes': `${2 * gib}\n`,
      'cgroup/memory/memory.usage_in_bytes': `${1.5 * gib}\n`,
      'cgroup/memory/memory.stat': `inactive_file 7\ntotal_inactive_file ${gib / 2}\n`,
      'cgroup/cpu/cpu.cfs_quota_us': '150000\n',
      'cgroup/cpu/cpu.cfs_period_us': '100000\n',
    },
    used: (ms: number) => ({ 'cgroup/cpuacct/cpuacct.usage': `${ms * 1_000_000}\n` }),
  },
  {
    summary: 'of version 2 that sees the whole host',
    files: {
      'proc/self/cgroup': `0::/system.slice/docker-${id}.scope/init.scope\n`,
      [`cgroup/system.slice/docker-${id}.scope/memory.max`]: `${2 * gib}\n`,
      [`cgroup/system.slice/docker-${id}.scope/memory.current`]: `${gib}\n`,
      [`cgroup/system.slice/docker-${id}.scope/cpu.max`]: '150000 100000\n',
    },
    used: (ms: number) => ({
      [`cgroup/system.slice/docker-${id}.scope/cpu.stat`]: `usage_usec ${ms * 1000}\n`,
    }),
  },
  {
    summary: 'of version 2 in a pod that has less than it could take',
    files: {
      'proc/self/cgroup': `0::/kubepods.slice/pod1.slice/${id}\n`,
      [`cgroup/kubepods.slice/pod1.slice/${id}/memory.max`]: 'max\n',
      [`cgroup/kubepods.slice/pod1.slice/${id}/memory.current`]: '4096\n',
      [`cgroup/kubepods.slice/pod1.slice/${id}/cpu.max`]: '400000 100000\n',
      [`cgroup/kubepods.slice/pod1.slice/${id}/cpu.stat`]: 'usage_usec 1\n',
      'cgroup/kubepods.slice/pod1.slice/memory.max': `${2 * gib}\n`,
      'cgroup/kubepods.slice/pod1.slice/memory.current': `${gib}\n`,
      'cgroup/kubepods.slice/pod1.slice/cpu.max': '150000 100000\n',
      'cgroup/kubepods.slice/memory.max': `${8 * gib}\n`,
      'cgroup/kubepods.slice/memory.current': `${7 * gib}\n`,
      'cgroup/kubepods.slice/cpu.max': 'max 100000\n',
    },
    used: (ms: number) => ({ 'cgroup/kubepods.slice/pod1.slice/cpu.stat': `usage_usec ${ms * 1000}\n` }),
  },
  {
    summary: 'of version 1 that sees the whole host',
    files: {
      'proc/self/cgroup': `5:memory:/docker/${id}\n4:cpu,cpuacct:/docker/${id}\n1:name=systemd:/docker/${id}\n`,
      'cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup/memory/memory.usage_in_bytes': `${12 * gib}\n`,
      'cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'cgroup/cpuacct/cpuacct.usage': '1\n',
      [`cgroup/memory/docker/${id}/memory.limit_in_bytes`]: `${2 * gib}\n`,
      [`cgroup/memory/docker/${id}/memory.usage_in_bytes`]: `${gib}\n`,
      [`cgroup/cpu/docker/${id}/cpu.cfs_quota_us`]: '150000\n',
      [`cgroup/cpu/docker/${id}/cpu.cfs_period_us`]: '100000\n',
    },
    used: (ms: number) => ({ [`cgroup/cpuacct/docker/${id}/cpuacct.usage`]: `${ms * 1_000_000}\n` }),
  },
  {
    summary: 'of version 1 whose parents, out of its sight, have less',
    files: {
      'proc/self/cgroup': `5:memory:/kubepods/pod1/${id}\n`,
      'cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup/memory/memory.usage_in_bytes': `${gib}\n`,
      'cgroup/memory/memory.stat': `hierarchical_memory_limit ${2 * gib}\ntotal_inactive_file 0\n`,
      'cgroup/cpu/cpu.cfs_quota_us': '150000\n',
      'cgroup/cpu/cpu.cfs_period_us': '100000\n',
    },
    used: (ms: number) => ({ 'cgroup/cpuacct/cpuacct.usage': `${ms * 1_000_000}\n` }),
  },
];

for (const { summary, files, used } of containers) {
  describe(`a container ${summary}`, () => {
    test('is measured by what it may have', async ({ machine }) => {
      const clock = createClock();
      await machine.write({ ...files, ...used(100_000) });
      const measure = createMeasure({ ...machine, nowMs: clock.nowMs });

      clock.pass(10_000);
      await machine.write(used(107_500));

      expect(await measure()).toEqual({ memory_consumption: 50, load_average: 50 });
    });
  });
}

const [{ files, used }] = containers as [(typeof containers)[0]];

describe('the load of a container', () => {
  test('is that of the last minute', async ({ machine }) => {
    const clock = createClock();
    await machine.write({ ...files, ...used(0) });
    const measure = createMeasure({ ...machine, nowMs: clock.nowMs });
    const loads: number[] = [];

    // Busy for two minutes, then idle.
    for (let round = 1; round <= 16; round += 1) {
      clock.pass(15_000);
      await machine.write(used(Math.min(round, 8) * 22_500));
      loads.push((await measure()).load_average);
    }

    expect(loads).toEqual([100, 100, 100, 100, 100, 100, 100, 100, 75, 50, 25, 0, 0, 0, 0, 0]);
  });

  test('is known at once, and is that of the container from then on', async ({ machine }) => {
    await machine.write({ ...files, ...used(5_000) });

    const { load_average } = await createMeasure(machine)();

    expect(load_average).toBe(0);
  });

  test('begins anew when its time does', async ({ machine }) => {
    const clock = createClock();
    await machine.write({ ...files, ...used(90_000) });
    const measure = createMeasure({ ...machine, nowMs: clock.nowMs });

    clock.pass(10_000);
    await machine.write(used(10));
    clock.passesByItself(1_000);

    expect((await measure()).load_average).toBe(0);
  });

  test('follows a limit that is changed, and is the host’s without one', async ({ machine }) => {
    const clock = createClock();
    await machine.write({ ...files, ...used(0) });
    const measure = createMeasure({ ...machine, nowMs: clock.nowMs });

    clock.pass(10_000);
    await machine.write({ ...used(15_000), 'cgroup/cpu.max': '300000 100000\n' });
    const doubled = await measure();
    await machine.write({ 'cgroup/cpu.max': 'max 100000\n' });
    const unlimited = await measure();

    expect(doubled.load_average).toBe(50);
    expect(unlimited).toEqual({ memory_consumption: 50, load_average: 150 });
  });
});

test('the load begins anew when another group has the least', async ({ machine }) => {
  const clock = createClock();
  const own = `cgroup/kubepods.slice/${id}`;
  const quota = { [`${own}/cpu.max`]: '100000 100000\n', 'cgroup/kubepods.slice/cpu.max': 'max 100000\n' };
  await machine.write({
    'proc/self/cgroup': `0::/kubepods.slice/${id}\n`,
    ...quota,
    [`${own}/cpu.stat`]: 'usage_usec 1000\n',
    'cgroup/kubepods.slice/cpu.stat': 'usage_usec 900000000\n',
  });
  const measure = createMeasure({ ...machine, nowMs: clock.nowMs });

  clock.passesByItself(1_000);
  await machine.write({ 'cgroup/kubepods.slice/cpu.max': '50000 100000\n' });

  expect((await measure()).load_average).toBe(0);
});

test('limits that are as high as the host are none', async ({ machine }) => {
  await machine.write({
    ...files,
    ...used(0),
    'cgroup/memory.max': `${16 * gib}\n`,
    'cgroup/cpu.max': '800000 100000\n',
  });

  expect(await createMeasure(machine)()).toEqual(ofHost);
});

/** Passes when told so; or by itself, with each look. */
function createClock() {
  let nowMs = 1_000_000;
  let stepMs = 0;
  return {
    nowMs: () => {
      nowMs += stepMs;
      return nowMs;
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
    passesByItself: (ms: number) => {
      stepMs = ms;
    },
  };
}
