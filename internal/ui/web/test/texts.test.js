// The pure parts: what dialogs promise, how text of hosts is made safe, and the
// palette's contrast.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runnerImport } from 'vite';
import { answers, directory, dumped } from './fixture/dump.js';
import { scenarios } from './fixture/scenarios.js';

const web = new URL('..', import.meta.url).pathname;
const load = async (name) => (await runnerImport(`${web}src/lib/${name}.ts`, { root: web, configFile: false, logLevel: 'error' })).module;
const format = await load('format');
const actions = await load('actions');
const rollout = (changes = {}) => ({ ...scenarios.running(Date.now()).rollouts[0], ...changes });

test('every status offers exactly the steps that the server allows', () => {
  const verbs = { proposed: 'halt', approved: 'start halt', running: 'hold halt revert', held: 'resume halt revert', halted: 'revert', completed: 'revert', expired: 'revert' };
  for (const [status, want] of Object.entries(verbs)) assert.equal(actions.verbsFor(status).join(' '), want, status);
});

test('a dialog counts the hosts that its action touches', () => {
  const states = { confirmed: 3, probation: 2, applying: 1, waiting: 10, lost: 1 };
  const say = (verb, changes) => actions.describe(verb, rollout({ states, ...changes })).effects.join(' ');
  assert.match(say('hold'), /10 hosts wait\. 3 hosts already under way go on to an end: confirmed, or reverted by themselves\. Nothing is reverted: 3 hosts keep/);
  assert.match(say('halt'), /10 waiting hosts will not get af-unix-ioctl@2/);
  assert.match(say('revert'), /Up to 7 hosts go back .* The rollout is halted with it/);
  assert.doesNotMatch(say('revert', { status: 'completed' }), /is halted with it/);
});

test('stop everything names every rollout that is not over', () => {
  const all = [rollout({ name: 'a' }), rollout({ name: 'b', status: 'proposed' }), rollout({ name: 'c', status: 'completed' })];
  assert.match(actions.describeStop(all)[0], /^2 rollouts are halted for good: a, b\.$/);
  assert.match(actions.describeStop([])[0], /^No rollout is open/);
});

test('text of hosts cannot hide control characters or turn its line around', () => {
  assert.equal(format.opaque('a\u001b[31mb\u0007'), 'a␛[31mb␇');
  assert.equal(format.opaque('a\u202eb\u2066c\u200bd'), 'a\ufffdb\ufffdc\ufffdd');
  assert.equal(format.opaque('Zürich 東京 ok'), 'Zürich 東京 ok');
  assert.equal(format.opaqueLines('one\ntwo\r\u0000'), 'one\ntwo␍␀');
});

test('a word of a copied command stays one word', () => {
  assert.equal(format.command('hotstick', 'why', 'web-01'), 'hotstick why web-01');
  assert.equal(format.command('a b'), "'a b'");
  assert.equal(format.command("a'$(id)"), "'a'\\''$(id)'");
  assert.equal(format.command(''), "''");
});

test('times read as a person says them', () => {
  const say = (s) => format.duration(s * 1000);
  assert.deepEqual([0, 59, 60, 134, 3599, 3600, 5400, 86400 * 3].map(say), ['0 s', '59 s', '1 min', '2 min 14 s', '59 min', '1 h', '1 h 30 min', '3 d']);
});

test('a taint mask is spelled out', () => {
  assert.deepEqual(format.taintBits(32768 + 4096).map((t) => t.letter), ['O', 'K']);
  assert.deepEqual(format.taintBits(0), []);
});

test('the records for the Go test are what the fake answers', () => {
  for (const name of dumped) assert.equal(readFileSync(`${directory}${name}.json`, 'utf8'), answers(name), `run node test/fixture/dump.js: ${name}`);
});

const tokens = Object.fromEntries(
  [...readFileSync(`${web}src/styles/tokens.css`, 'utf8').matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [name, { light, dark }]),
);

function luminance(hex) {
  const channel = (i) => {
    const v = parseInt(hex.slice(i, i + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

function contrast(a, b) {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
}

for (const theme of ['light', 'dark']) {
  test(`every text and state colour has AA contrast on every ground in the ${theme} theme`, () => {
    const inks = Object.keys(tokens).filter((name) => name === 'text' || name === 'muted' || name.startsWith('state-'));
    assert.equal(inks.length, 10);
    for (const ink of inks) {
      for (const ground of ['bg', 'surface', 'raised']) {
        const ratio = contrast(tokens[ink][theme], tokens[ground][theme]);
        assert.ok(ratio >= 4.5, `${ink} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
  });
}
