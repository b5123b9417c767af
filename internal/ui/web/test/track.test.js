// The wave track at every size, from its pure layout to what is drawn.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runnerImport } from 'vite';
import { assertQuiet, eventually, stage } from './browser.js';
import { scenarios } from './fixture/scenarios.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const web = new URL('..', import.meta.url).pathname;
const { module: track } = await runnerImport(`${web}src/lib/track.ts`, { root: web, configFile: false, logLevel: 'error' });
const now = Date.UTC(2026, 10, 21);
const waves = (scenario) => scenarios[scenario](now).rollouts[0].waves;

test('four hosts are cards, in rows of kernel builds', () => {
  const layout = track.layout(waves('running'), ['rack']);
  assert.equal(layout.mode, 'cards');
  assert.equal(layout.domain, '');
  assert.deepEqual(layout.lanes.map((l) => [l.build.release, l.hosts, l.confirmed, l.rows.length]), [['6.1.0-47-amd64', 2, 1, 1], ['6.12.41+deb12-amd64', 2, 0, 1]]);
});

test('two hundred hosts are cells, each once, in rows of racks', () => {
  const layout = track.layout(waves('fleet'), ['rack']);
  assert.equal(layout.mode, 'cells');
  assert.equal(layout.domain, 'rack');
  const rows = layout.lanes.flatMap((l) => l.rows);
  assert.equal(rows.length, 16);
  const hosts = rows.flatMap((r) => r.cells.flat()).flatMap((c) => c.hosts.map((h) => h.host));
  assert.equal(hosts.length, 200);
  assert.equal(new Set(hosts).size, 200);
  for (const row of rows) for (const cell of row.cells.flat()) assert.equal(cell.hosts[0].domains.rack, row.domain);
});

test('a hundred thousand hosts are few stacks that count every host, laid out in no time', () => {
  const [first] = waves('fleet');
  const template = first.hosts[0];
  const many = { ...first, hosts: Array.from({ length: 100_000 }, (_, i) => ({ ...template, host: `h${i}`, name: `n${i}`, state: i % 3 ? 'confirmed' : 'waiting', domains: { rack: `r${i % 500}`, zone: `z${i % 4}` } })) };
  const start = performance.now();
  const layout = track.layout([many], ['rack', 'zone']);
  const took = performance.now() - start;
  assert.equal(layout.mode, 'stacks');
  assert.equal(layout.domain, 'zone', 'five hundred racks would be too many rows');
  const cells = layout.lanes.flatMap((l) => l.rows.flatMap((r) => r.cells.flat()));
  assert.equal(cells.length, 8);
  assert.equal(cells.reduce((n, c) => n + c.hosts.length, 0), 100_000);
  assert.ok(took < 1500, `${took} ms`);
});

test('a cell keeps its place whatever its state does', () => {
  const before = waves('fleet');
  const after = structuredClone(before);
  for (const [i, cell] of after.flatMap((w) => w.hosts).entries()) Object.assign(cell, { state: i % 2 ? 'failed' : 'reverting', silent: i % 5 === 0 });
  const places = (layout) => layout.lanes.flatMap((l) => l.rows.flatMap((r) => r.cells.map((column) => column.map((c) => c.key))));
  assert.deepEqual(places(track.layout(after, ['rack'])), places(track.layout(before, ['rack'])));
});

test('what a silent host last claimed is not drawn, what the server knows of it is', () => {
  const shown = (state) => {
    const [wave] = structuredClone(waves('running'));
    Object.assign(wave.hosts[0], { state, silent: true });
    return track.countStates([wave])[0].state;
  };
  for (const state of ['applying', 'probation', 'confirmed', 'reverting', 'reverted']) assert.equal(shown(state), 'stale', state);
  for (const state of ['waiting', 'quarantined', 'lost', 'failed', 'skipped']) assert.equal(shown(state), state);
});

test('the gate that decides is one that failed, or the first that has not passed', () => {
  assert.equal(track.currentGate(waves('running')), 1);
  assert.equal(track.currentGate(waves('fleet')), 3);
  const failed = structuredClone(waves('fleet'));
  failed[1].gate.verdict = 'hold';
  failed[2].gate.verdict = 'fail';
  assert.equal(track.currentGate(failed), 2, 'a failed gate matters more than one that was reopened before it');
  assert.equal(track.currentGate(waves('running').slice(0, 1)), -1);
});

test('arrow keys prefer what lies straight ahead', () => {
  const box = (left, top) => ({ left, top, width: 10, height: 10 });
  const grid = [box(0, 0), box(20, 0), box(0, 20), box(25, 20), box(300, 0)];
  assert.equal(track.neighbour(grid, 0, 'ArrowRight'), 1);
  assert.equal(track.neighbour(grid, 0, 'ArrowDown'), 2);
  assert.equal(track.neighbour(grid, 1, 'ArrowDown'), 3);
  assert.equal(track.neighbour(grid, 1, 'ArrowRight'), 4);
  assert.equal(track.neighbour(grid, 0, 'ArrowUp'), -1);
});

test('gates show verdict, evidence, honest limit and a countdown that runs', async (t) => {
  const { page } = await enter(t, 'running', '/rollouts/unix-ioctl-everywhere');
  const [passed, current, later] = await page.locator('.gate').all();
  assert.match(await passed.innerText(), /Passed[\s\S]*1 of 1 confirmed, 0 failures[\s\S]*crash rate up to 95 %/);
  const first = await current.innerText();
  assert.match(first, /Holding[\s\S]*no data is never taken for health[\s\S]*Wave 3 opens in 2 min 1\d s at the earliest/);
  await eventually(() => current.innerText(), (text) => text !== first, 'the countdown');
  assert.equal(await later.getAttribute('data-verdict'), 'hold');
});

test('a state differs from every other by its shape, not by colour alone', async (t) => {
  const { page } = await enter(t, 'running', '/');
  const shapes = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll('symbol[id^="st-"]')].map((s) => [s.id.slice(3), s.innerHTML])));
  // Two pairs are one state each, named differently in a plan and on a host.
  delete shapes.applied;
  delete shapes.transitioning;
  assert.equal(Object.keys(shapes).length, 17);
  assert.equal(new Set(Object.values(shapes)).size, 17);
});

test('five thousand hosts fit into the page as stacks', async (t) => {
  const { page } = await enter(t, 'thousands', '/rollouts/unix-ioctl-fleet');
  assert.equal(await page.locator('.track').getAttribute('data-mode'), 'stacks');
  const cells = page.locator('[data-cell]');
  assert.ok((await cells.count()) < 150);
  const counted = await cells.evaluateAll((all) => all.reduce((n, c) => n + Number((c.querySelector('.count')?.textContent ?? '1').replace(',', '')), 0));
  assert.equal(counted, 5000);
  assertQuiet(page);
});

test('the legend picks out one state, and the address keeps it', async (t) => {
  const { page } = await enter(t, 'fleet', '/rollouts/unix-ioctl-fleet');
  await page.getByRole('button', { name: /^applying/ }).click();
  assert.match(page.url(), /\?show=applying$/);
  assert.equal(await page.locator('[data-cell]:not(.dim)').count(), 3);
});

test('the list of five thousand hosts draws only what is seen, and reads it by pages', async (t) => {
  const { page, fixture } = await enter(t, 'thousands', '/hosts');
  await page.getByRole('heading', { name: '5,000 hosts in the fleet' }).waitFor();
  const reads = () => fixture.requests.filter((r) => r.path === '/api/v1/hosts').length;
  assert.equal(reads(), 1);
  assert.ok((await page.locator('[data-host]').count()) < 60);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.getByText('node-5000').waitFor();
  assert.ok(reads() <= 8, `${reads()} reads`);
  assert.ok((await page.locator('[data-host]').count()) < 60);
  assertQuiet(page);
});
