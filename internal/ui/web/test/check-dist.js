// Builds into a directory of its own and fails if the committed dist differs.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('..', import.meta.url));
const committed = join(web, '..', 'dist');
const fresh = mkdtempSync(join(tmpdir(), 'hotstick-dist-'));

function files(directory) {
  const found = readdirSync(directory, { recursive: true }).map(String);
  return new Map(found.filter((name) => statSync(join(directory, name)).isFile()).map((name) => [relative('.', name), readFileSync(join(directory, name))]));
}

try {
  await build({ root: web, logLevel: 'error', build: { outDir: fresh, emptyOutDir: true } });
  const [want, have] = [files(fresh), files(committed)];
  const wrong = [
    ...[...want].filter(([name, bytes]) => !have.get(name)?.equals(bytes)).map(([name]) => `${have.has(name) ? 'differs' : 'missing'}: dist/${name}`),
    ...[...have.keys()].filter((name) => !want.has(name)).map((name) => `left over: dist/${name}`),
  ];
  if (wrong.length) {
    console.error(`cannot use the committed dist; run npm run build and commit it:\n${wrong.join('\n')}`);
    process.exitCode = 1;
  } else {
    console.log(`dist is what web builds: ${want.size} files`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
