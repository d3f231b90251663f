import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ArtifactUnverifiedError, ArtifactVerifySetupError, verifyCommit } from '../agent/artifacts/trust/verify.ts';
import { failureOf } from './support/artifacts.ts';
import { type SignedRepository, signedTest as test } from './support/signed-repository.ts';

describe('a commit that must be signed', () => {
  test('may run when a key of the signers file has signed it, and says whose', async ({ signed }) => {
    const commit = await signed.commit('good', 'ann');

    const signer = await verified(signed, commit);

    const key = expect.stringMatching(/^SHA256:[\w+/]{43}$/);
    expect(signer).toEqual({ principal: 'ann@example.org', key, tag: null });
  });

  test('may not run when nobody has signed it', async ({ signed }) => {
    await signed.commit('good', 'ann');
    const commit = await signed.commit('unsigned', null);

    const error = await failureOf(verified(signed, commit));

    expect(error).toBeInstanceOf(ArtifactUnverifiedError);
    expect(error).toMatchObject({
      code: 'ARTIFACT_UNVERIFIED',
      lasting: true,
      message: `cannot trust commit ${commit.slice(0, 12)}: it is not signed`,
      facts: { commit, policy: 'signed-commit', key: null, tags: [] },
      remedy: expect.stringContaining('artifact.verify.signers'),
    });
  });

  test('may not run when a key has signed it that nobody has listed, and names that key', async ({ signed }) => {
    const commit = await signed.commit('by a stranger', 'eve');

    const error = await failureOf(verified(signed, commit));

    expect(error).toMatchObject({ code: 'ARTIFACT_UNVERIFIED', facts: { key: expect.stringMatching(/^SHA256:/) } });
    expect(error).toHaveProperty('message', expect.stringContaining(`which is not in ${signed.signersFile}`));
  });

  test('may not run when the key was not valid any more, or not for git', async ({ signed }) => {
    const late = await signed.commit('late', 'old');
    const misused = await signed.commit('misused', 'ann');
    const signersFile = join(signed.folder, 'for-files');
    await writeFile(signersFile, `ann@example.org namespaces="file" ${await signed.publicKey('ann')}\n`);

    const [expired, elsewhere] = await Promise.all([
      failureOf(verified(signed, late)),
      failureOf(verified(signed, misused, { signersFile })),
    ]);

    expect(expired).toMatchObject({
      code: 'ARTIFACT_UNVERIFIED',
      message: expect.stringContaining('but key has expired'),
    });
    expect(elsewhere).toMatchObject({ code: 'ARTIFACT_UNVERIFIED', message: expect.stringContaining('not permitted') });
  });

  test('may not run with the signature of another commit', async ({ signed }) => {
    const good = await signed.git(['cat-file', 'commit', await signed.commit('good', 'ann')]);
    await writeFile(join(signed.folder, 'files', 'evil.php'), 'evil');
    await signed.git(['add', '.']);
    const evilTree = await signed.git(['write-tree']);
    const forge = (text: string) => signed.git(['hash-object', '-t', 'commit', '-w', '--stdin'], `${text}\n`);
    const forged = [
      await forge(good.replace(/^tree .*/, `tree ${evilTree}`)),
      await forge(good.replace(/good$/, 'evil')),
      await forge(good.replace(/^( .{20})./m, '$1!')),
    ];

    const errors = await Promise.all(forged.map((commit) => failureOf(verified(signed, commit))));

    expect(errors.map((error) => error instanceof ArtifactUnverifiedError)).toEqual([true, true, true]);
  });

  test('may not run when the clone shows the content of another under its id', async ({ signed }) => {
    const good = await signed.commit('good', 'ann');
    const replaced = await signed.commit('replaced', null);
    const swapped = await signed.commit('swapped', null);
    await signed.git(['replace', replaced, good]);
    const looseObject = (id: string) => join(signed.folder, 'files', '.git', 'objects', id.slice(0, 2), id.slice(2));
    await rm(looseObject(swapped));
    await copyFile(looseObject(good), looseObject(swapped));

    expect(await failureOf(verified(signed, replaced))).toMatchObject({ code: 'ARTIFACT_UNVERIFIED' });
    await expect(verified(signed, swapped)).rejects.toThrow();
  });

  test('may not run because gpg knows somebody: gpg is not even started', async ({ signed }) => {
    const path = await pathWith(signed, ['git', 'ssh-keygen']);
    const started = join(signed.folder, 'gpg-was-started');
    await writeFile(join(path, 'gpg'), `#!/bin/sh\ntouch ${started}\necho '[GNUPG:] GOODSIG 1 Ann'\n`);
    await chmod(join(path, 'gpg'), 0o755);
    const [headers, message] = (await signed.git(['cat-file', 'commit', await signed.commit('good', 'ann')])).split(
      '\n\n',
    );
    const gpgHeader = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n aGVsbG8=\n -----END PGP SIGNATURE-----';
    const text = `${headers?.replace('gpgsig ', `${gpgHeader}\ngpgsig `)}\n\n${message}\n`;
    const commit = await signed.git(['hash-object', '-t', 'commit', '-w', '--stdin'], text);

    const error = await failureOf(verified(signed, commit, { path: `${path}:/usr/bin:/bin` }));

    expect(error).toMatchObject({ code: 'ARTIFACT_UNVERIFIED', facts: { reason: 'it is not signed with an ssh key' } });
    expect(existsSync(started)).toBe(false);
  });

  test('is nothing to check where nobody asks for it', async ({ signed }) => {
    const commit = await signed.commit('unsigned', null);

    const options = { policy: 'none', signersFile: null, tagRefs: [] } as const;
    expect(await verifyCommit(signed.repository(), commit, options)).toBe(null);
  });

  test('is not refused for good when the check was ended half-way', async ({ signed }) => {
    const commit = await signed.commit('good', 'ann');
    const repository = signed.repository({ signal: AbortSignal.abort(new Error('stopping')) });
    const options = { policy: 'signed-commit', signersFile: signed.signersFile, tagRefs: [] } as const;

    const error = await failureOf(verifyCommit(repository, commit, options));

    expect(error).not.toBeInstanceOf(ArtifactUnverifiedError);
  });
});

describe('a commit whose tag must be signed', () => {
  test('may run when one of its tags is signed, whether or not it is itself', async ({ signed }) => {
    const commit = await signed.commit('unsigned', null);
    await signed.git(['tag', 'light', commit]);
    await signed.tag('v1-rc', commit, 'eve');
    await signed.tag('v1', commit, 'ann');

    const byRef = await verifiedTag(signed, commit, ['refs/tags/v1']);
    const byFolder = await verifiedTag(signed, commit, ['refs/tags/']);

    expect(byRef).toMatchObject({ principal: 'ann@example.org', tag: 'v1' });
    expect(byFolder).toEqual(byRef);
  });

  test.for([
    { summary: 'a signature of its own', make: () => [] },
    { summary: 'a light tag', make: ({ signed, commit }) => [signed.git(['tag', 'v2', commit])] },
    { summary: 'an unsigned tag', make: ({ signed, commit }) => [signed.tag('v2', commit, null)] },
    { summary: "a stranger's tag", make: ({ signed, commit }) => [signed.tag('v2', commit, 'eve')] },
    {
      summary: 'a signed tag that is not asked for',
      make: ({ signed, commit }) => [signed.tag('other', commit, 'ann')],
      tagRefs: ['refs/tags/v2'],
    },
    {
      summary: 'a signed tag, and nobody asks for tags',
      make: ({ signed, commit }) => [signed.tag('v2', commit, 'ann')],
      tagRefs: [],
    },
  ] satisfies Lack[] as Lack[])(
    'may not run with $summary alone',
    async ({ make, tagRefs = ['refs/tags'] }, { signed }) => {
      const commit = await signed.commit('signed itself', 'ann');
      for (const made of make({ signed, commit })) await made;

      const error = await failureOf(verifiedTag(signed, commit, tagRefs));

      expect(error).toMatchObject({ code: 'ARTIFACT_UNVERIFIED', facts: { commit, policy: 'signed-tag' } });
    },
  );

  test('may not run under the label of another release, by a tag of another commit, or of a tag', async ({
    signed,
  }) => {
    const old = await signed.commit('old', null);
    const next = await signed.commit('next', null);
    await signed.tag('v1', old, 'ann');
    await signed.git(['update-ref', 'refs/tags/v2', 'refs/tags/v1']);
    await signed.tag('v3', next, null);
    await signed.tag('v4', 'v3', 'ann');

    const [relabelled, ofAnother, ofTag] = await Promise.all([
      failureOf(verifiedTag(signed, old, ['refs/tags/v2'])),
      failureOf(verifiedTag(signed, next, ['refs/tags/v1', 'refs/tags/v2'])),
      failureOf(verifiedTag(signed, next, ['refs/tags/v4'])),
    ]);

    expect(relabelled).toHaveProperty('message', expect.stringContaining('of tag v1, it is called otherwise'));
    for (const error of [relabelled, ofAnother, ofTag]) expect(error).toBeInstanceOf(ArtifactUnverifiedError);
  });
});

describe('a tag that is asked for by name', () => {
  test('counts under any ref of the clone, and no other does', async ({ signed }) => {
    const commit = await signed.commit('unsigned', null);
    await signed.tag('v1', commit, 'ann');
    await signed.git(['update-ref', 'refs/cartridge-agent/tag', 'refs/tags/v1']);
    const tagRefs = ['refs/cartridge-agent/tag'];

    expect(await verifiedTag(signed, commit, tagRefs, 'v1')).toMatchObject({ tag: 'v1' });
    expect(await failureOf(verifiedTag(signed, commit, tagRefs, 'v2'))).toBeInstanceOf(ArtifactUnverifiedError);
    expect(await failureOf(verifiedTag(signed, commit, ['refs/tags/'], 'v2'))).toBeInstanceOf(ArtifactUnverifiedError);
  });
});

describe('an instance that cannot check signatures', () => {
  test.for([
    { summary: 'no file of signers is set', file: () => null },
    { summary: 'the file of signers is missing', file: (folder: string) => join(folder, 'missing') },
    { summary: 'the file of signers is a folder', file: (folder: string) => folder },
  ])('says so: $summary', async ({ file }, { signed }) => {
    const commit = await signed.commit('good', 'ann');

    const error = await failureOf(verified(signed, commit, { signersFile: file(signed.folder) }));

    expect(error).toBeInstanceOf(ArtifactVerifySetupError);
    expect(error).toMatchObject({ code: 'ARTIFACT_VERIFY_SETUP', lasting: true });
  });

  test('says so: there is no ssh-keygen', async ({ signed }) => {
    const commit = await signed.commit('good', 'ann');
    const path = await pathWith(signed, ['git']);

    const error = await failureOf(verified(signed, commit, { path }));

    expect(error).toMatchObject({ code: 'ARTIFACT_VERIFY_SETUP', remedy: expect.stringContaining('openssh-client') });
  });
});

type Lack = {
  summary: string;
  make: (it: { signed: SignedRepository; commit: string }) => readonly Promise<unknown>[];
  tagRefs?: readonly string[];
};

function verified(
  signed: SignedRepository,
  commit: string,
  { signersFile = signed.signersFile, path }: { signersFile?: string | null; path?: string } = {},
) {
  const repository = signed.repository(path === undefined ? {} : { path });
  return verifyCommit(repository, commit, { policy: 'signed-commit', signersFile, tagRefs: [] });
}

function verifiedTag(signed: SignedRepository, commit: string, tagRefs: readonly string[], tagName?: string) {
  const { signersFile } = signed;
  return verifyCommit(signed.repository(), commit, {
    policy: 'signed-tag',
    signersFile,
    tagRefs,
    tagName: tagName ?? null,
  });
}

/** A folder with nothing but these programs in it. */
async function pathWith({ folder }: SignedRepository, programs: readonly string[]): Promise<string> {
  const path = join(folder, 'bin');
  await mkdir(path);
  for (const program of programs) await symlink(placeOf(program), join(path, program));
  return path;
}

function placeOf(program: string): string {
  const folders = (process.env['PATH'] ?? '').split(':');
  const place = folders.map((folder) => join(folder, program)).find((file) => existsSync(file));
  if (place === undefined) throw new Error(`there is no ${program} here`);
  return place;
}
