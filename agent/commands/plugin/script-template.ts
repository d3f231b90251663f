import { type HookName, hookInputSchema, hooks, sampleDocument } from '../../../plugins/contract.ts';
import { gitignore, json, type NewFile, packageJson } from './template.ts';

const script = (hook: HookName, path: string) => `#!/bin/sh
# ${hook}: ${hooks[hook].when}.
# stdin has one JSON document: samples/ has some, ${hook}.schema.json says what is in it. What this prints is log.
# The exit code says how it ended: 0 done${hooks[hook].kind === 'gate' ? ', 75 not yet, ask again' : ''}, anything else failed.
# fd 3 takes JSON lines for people: {"status": "..."}.
set -eu

input=$(cat)
member=$(printf '%s' "$input" | grep -o '"memberId": *"[^"]*"' | head -n 1 | cut -d '"' -f 4)

if [ -z "$member" ]; then
  echo "cannot tell who we are: there is no memberId in the input" >&2
  exit 1
fi
{ echo '{"status": "${path} looks around"}' >&3; } 2>/dev/null || true # tried by hand there may be no fd 3
echo "$CARTRIDGE_HOOK of $member, attempt $CARTRIDGE_ATTEMPT"
`;

const test = (hook: HookName, path: string) => `#!/bin/sh
# Runs the hook as the agent does, with every sample: sh test.sh
cd "$(dirname "$0")" || exit 1
export CARTRIDGE_HOOK=${hook} CARTRIDGE_ATTEMPT=1
failed=0

# expect CODE SAMPLE TEXT: it ends with that code, and says that.
expect() {
  output=$(./${path} <"$2" 3>/dev/null 2>&1)
  code=$?
  case "$output" in *"$3"*) said=yes ;; *) said=no ;; esac
  if [ "$code" = "$1" ] && [ "$said" = yes ]; then
    echo "ok - $2: $output"
  else
    echo "not ok - $2: expected exit code $1 and \\"$3\\", it ended with $code: $output"
    failed=1
  fi
}

for sample in samples/*.json; do
  expect 0 "$sample" "${hook} of shop-app.web.php.domain"
done

empty=$(mktemp)
echo '{}' >"$empty"
expect 1 "$empty" "cannot tell who we are"
rm -f "$empty"

exit "$failed"
`;

/** An executable of a hook, in the shell, with samples of what it reads and a test that needs nothing but a shell. */
export async function scriptFiles(name: string, hook: HookName): Promise<NewFile[]> {
  const path = `${hook}/50-${name}`;
  const scripts = { test: 'sh test.sh', check: `cartridge-agent plugin check ${path}` };
  return [
    packageJson(name, {}, scripts),
    { path, text: script(hook, path), isExecutable: true },
    { path: 'test.sh', text: test(hook, path), isExecutable: true },
    { path: `samples/${hook}.json`, text: json(await sampleDocument(hook)) },
    { path: `${hook}.schema.json`, text: json(await hookInputSchema(hook)) },
    gitignore,
  ];
}
