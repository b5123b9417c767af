// The live stream: changes arrive in place, nothing jumps, and a lost stream or
// a silent host is never shown as if it were live.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertQuiet, eventually, stage } from './browser.js';
import { event, host, hostID, reason, times, bookworm } from './fixture/fleet.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const rollout = '/rollouts/unix-ioctl-everywhere';

const boxes = (page, selector) =>
  page.locator(selector).evaluateAll((all) => all.map((e) => [e.dataset.cell ?? e.dataset.host, Math.round(e.getBoundingClientRect().left), Math.round(e.getBoundingClientRect().top)]));

test('a change updates a cell in its place and moves no other', async (t) => {
  const { page, fixture } = await enter(t, 'fleet', '/rollouts/unix-ioctl-fleet');
  const places = await boxes(page, '[data-cell]');
  assert.equal(places.length, 200);
  const wave = fixture.world.rollouts[0].waves[3];
  const target = wave.hosts.find((c) => c.state === 'applying');
  fixture.world.update({ kind: 'host_state', plan: fixture.world.rollouts[0].plan, host: target.host }, () => (target.state = 'probation'));
  await eventually(() => page.locator(`[data-cell="${target.host}"]`).getAttribute('data-state'), 'probation', 'the cell');
  assert.deepEqual(await boxes(page, '[data-cell]'), places);
  assertQuiet(page);
});

test('rows of the host list keep their place, and new hosts wait behind a button', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/hosts');
  const before = await boxes(page, '[data-host]');
  fixture.world.update({ kind: 'host', host: 'x' }, (w) => {
    Object.assign(w.hosts[0], { state: 'failed', reason: reason('probe_failed', { subject: 'http' }) });
    w.hosts.push(host(times(Date.now()), 'aaa-first', bookworm));
  });
  await page.locator(`[data-host="${hostID('web-01')}"]`).getByText('failed', { exact: true }).waitFor();
  const button = page.getByRole('button', { name: 'Show 1 new host' });
  await button.waitFor();
  assert.deepEqual(await boxes(page, '[data-host]'), before);
  await button.click();
  await page.getByText('aaa-first').waitFor();
  assert.equal((await boxes(page, '[data-host]'))[0][0], hostID('aaa-first'));
});

test('a host that leaves the filter stays in its place and is marked', async (t) => {
  const { page, fixture } = await enter(t, 'struck', '/hosts?state=applied');
  const before = await boxes(page, '[data-host]');
  assert.equal(before.length, 2);
  fixture.world.update({ kind: 'host' }, (w) => (w.hosts.find((h) => h.name === 'db-01').state = 'failed'));
  await page.locator(`[data-host="${hostID('db-01')}"]`).getByText('No longer matches the filter.').waitFor();
  assert.deepEqual(await boxes(page, '[data-host]'), before);
});

test('the first host to join appears by itself', async (t) => {
  const { page, fixture } = await enter(t, 'empty', '/hosts');
  fixture.world.update({ kind: 'host.enrolled' }, (w) => w.hosts.push(host(times(Date.now()), 'first', bookworm)));
  await page.getByRole('heading', { name: '1 host in the fleet' }).waitFor();
  await page.locator(`[data-host="${hostID('first')}"]`).waitFor();
});

test('new entries of the activity wait behind a button', async (t) => {
  const { page, fixture } = await enter(t, 'halted', '/activity');
  const first = page.locator('.timeline li .what p').first();
  const was = await first.innerText();
  fixture.world.update({ kind: 'note' }, (w) => (w.events = [{ ...event(times(Date.now()), 0, 'note', 'Something new.'), seq: w.events[0].seq + 1 }, ...w.events]));
  await page.getByRole('button', { name: 'Show 1 new entry' }).waitFor();
  assert.equal(await first.innerText(), was);
  await page.getByRole('button', { name: 'Show 1 new entry' }).click();
  assert.match(await first.innerText(), /^Something new\./);
});

test('many changes at once are few reads', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  const reads = () => fixture.requests.filter((r) => r.path.startsWith('/api/v1/rollouts/')).length;
  const before = reads();
  const r = fixture.world.rollouts[0];
  for (let i = 0; i < 200; i++) fixture.world.update({ kind: 'host_state', plan: r.plan }, () => (r.headline = `Change ${i}`));
  await page.getByRole('heading', { name: 'Change 199' }).waitFor();
  assert.ok(reads() - before <= 4, `${reads() - before} reads for 200 changes`);
});

test('a change of another rollout is not read again', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  const reads = () => fixture.requests.filter((r) => r.path.startsWith('/api/v1/rollouts/')).length;
  const before = reads();
  fixture.world.update({ kind: 'host_state', plan: 'sha256:other' }, (w) => (w.headline = 'Elsewhere'));
  await eventually(() => fixture.requests.filter((r) => r.path === '/api/v1/overview').length, (n) => n > 1, 'reads of the overview');
  assert.equal(reads(), before);
  assertQuiet(page);
});

test('a lost stream is said at once, in words and in looks, without moving anything', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  page.expected = [/503|ERR_/];
  await page.getByText('Live', { exact: true }).waitFor();
  const places = await boxes(page, '[data-cell]');
  fixture.refuseStreams = true;
  fixture.dropStreams();
  await page.getByRole('alert').getByText('Live connection lost.').waitFor({ timeout: 3000 });
  assert.match(await page.getByRole('alert').innerText(), /This is what was known at \d\d:\d\d:\d\d, \d+ s ago\./);
  await page.getByText('Not live').waitFor();
  await eventually(() => page.locator('main').evaluate((e) => getComputedStyle(e).filter), 'saturate(0.1)', 'the look');
  assert.deepEqual(await boxes(page, '[data-cell]'), places);
  await eventually(() => page.getByRole('alert').innerText(), (s) => /, [2-9] s ago/.test(s), 'the age');
  assertQuiet(page);
});

test('when the stream is back, the views are read again', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  page.expected = [/503|ERR_/];
  fixture.refuseStreams = true;
  fixture.dropStreams();
  await page.getByText('Live connection lost.').waitFor();
  fixture.world.rollouts[0].headline = 'Much has happened meanwhile';
  fixture.refuseStreams = false;
  await page.getByRole('button', { name: 'Reconnect' }).click();
  await page.getByRole('heading', { name: 'Much has happened meanwhile' }).waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  assert.equal(await page.locator('main').evaluate((e) => getComputedStyle(e).filter), 'none');
  assertQuiet(page);
});

test('the console reconnects by itself', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/');
  page.expected = [/503|ERR_/];
  fixture.dropStreams();
  await page.getByText('Not live').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
});

test('a page that cannot be read again says so and keeps what it showed', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  page.expected = [/500/];
  const places = await boxes(page, '[data-cell]');
  fixture.failures.set('/api/v1/rollouts/', { status: 500, code: 'internal', title: 'cannot answer' });
  fixture.world.update({ kind: 'plan' });
  await page.getByRole('alert').getByText('Not up to date.').waitFor();
  assert.deepEqual(await boxes(page, '[data-cell]'), places);
  fixture.failures.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Not up to date.').waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('a silent host looks stale everywhere and is not called applied', async (t) => {
  const { page } = await enter(t, 'struck', '/hosts');
  const row = page.locator(`[data-host="${hostID('db-02')}"]`);
  assert.match(await row.innerText(), /stale[\s\S]*was af-unix-ioctl@2[\s\S]*1 h 30 min ago/);
  const name = (r) => r.locator('.name').evaluate((e) => getComputedStyle(e).color);
  assert.notEqual(await name(row), await name(page.locator(`[data-host="${hostID('db-01')}"]`)));
  await row.click();
  await page.getByRole('heading', { name: 'db-02 is silent; it last ran af-unix-ioctl@2' }).waitFor();
  await page.getByText('Nothing is claimed about its kernel now.').waitFor();
  assert.equal(await page.locator('.columns.old').evaluate((e) => getComputedStyle(e).filter), 'saturate(0.1)');
});

test('a host that falls silent is no change, and the next beat of the stream shows it', async (t) => {
  const { page, fixture } = await enter(t, 'struck', '/hosts');
  const silent = fixture.world.hosts.find((h) => h.name === 'db-01');
  const state = page.locator(`[data-host="${silent.id}"] [data-state]`).first();
  assert.equal(await state.getAttribute('data-state'), 'applied');
  Object.assign(silent, { state: 'stale', silent: true });
  fixture.beat();
  await eventually(() => state.getAttribute('data-state'), 'stale', 'the row');
  await page.locator(`[data-host="${silent.id}"]`).click();
  await page.getByRole('heading', { name: /db-01 is silent/ }).waitFor();
  Object.assign(silent, { state: 'applied', silent: false });
  fixture.beat();
  await page.getByRole('heading', { name: /db-01 is silent/ }).waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('a host that fell silent on probation is drawn as stale in the wave track', async (t) => {
  const { page, fixture } = await enter(t, 'fleet', '/rollouts/unix-ioctl-fleet');
  const silent = fixture.world.rollouts[0].waves[3].hosts.find((c) => c.silent);
  const cell = page.locator(`[data-cell="${silent.host}"]`);
  assert.equal(await cell.getAttribute('data-state'), 'stale');
  assert.match(await cell.getAttribute('aria-label'), /stale, last said probation/);
  assert.equal(await cell.evaluate((e) => getComputedStyle(e).borderStyle), 'dashed');
});
