// What keeps a rollout, and the steps that steer it: waves by hand, retries, ways
// back of a wave or a host, exclusions, write-offs, freezes, rehearsals.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runnerImport } from 'vite';
import { assertNoSideways, assertQuiet, eventually, narrow, stage } from './browser.js';
import { scenarios } from './fixture/scenarios.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const web = new URL('..', import.meta.url).pathname;
const load = async (name) => (await runnerImport(`${web}src/lib/${name}.ts`, { root: web, configFile: false, logLevel: 'error' })).module;
const [track, steer, calendar, format, rehearsal] = await Promise.all(['track', 'steer', 'calendar', 'format', 'rehearsal'].map(load));
const storage = '/rollouts/unix-ioctl-storage';
const posts = (fixture) => fixture.requests.filter((r) => r.method === 'POST').map(({ path, body }) => ({ path: decodeURIComponent(path).replace(/sha256:\w+/, 'PLAN'), body }));
const now = Date.UTC(2026, 10, 21, 3, 0, 0);

/** Fills the reason in, confirms, and waits until the dialog is gone. */
async function confirm(page, button, reason) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await dialog.getByText('Say why in a few words.').waitFor();
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill(reason);
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}

test('the rollout page says what keeps it, each wave and each lane, and what would change it', async (t) => {
  const { page } = await enter(t, 'steered', storage);
  const stand = page.getByRole('region', { name: 'Where it stands' });
  const text = await stand.innerText();
  for (const want of [
    'It waits: The wave waits for an operator to open it: racks. Open it by hand: hotstick rollout next-wave 3f2a9c01d4e5',
    'proven before', 'opens by hand', '1 passed over', 'An earlier wave has not passed its gate yet: racks.',
    'A canary of this lane was lost: store-03. Look at the lost canary; a second loss of the same kind fails the rollout.',
    'Nothing holds it; open up to wave', '3, 1 held',
  ]) assert.ok(text.includes(want), `cannot find "${want}" in:\n${text}`);
  await stand.getByText('hotstick why unix-ioctl-storage').waitFor();
  const windows = await page.getByRole('region', { name: 'When it may start' }).innerText();
  for (const want of [/Freeze to come from .* to .*, in 4\d h\s+big sale, says ines/, /night opens .*, in 5 h 1\d min\s+21 hosts start only then/, /weekend open until .*, for 2 h [45] min/, /5 hosts have no window/]) assert.match(windows, want);
  const budgets = await page.getByRole('region', { name: 'Disturbed at once, of allowed' }).innerText();
  assert.match(budgets, /pool p3\s+quorum\s+2 of 2\s+1 down for another cause; runs both levels for 1 h 30 min/);
  const over = await page.getByRole('region', { name: 'Passed over, and stand-ins' }).innerText();
  assert.match(over, /store-06 stands in for store-03 in wave 1/);
  assert.match(over, /store-13 excluded until .*\s+disk is being replaced, says jonas/);
  const chain = await page.getByRole('region', { name: 'Plans before and after it' }).innerText();
  assert.match(chain, /Continues\s+unix-ioctl-storage-1\s+af-unix-ioctl@1/);
  await assertNoSideways(page);
  assertQuiet(page);
});

test('a gate that has passed says what else keeps the next wave shut', async (t) => {
  const { page } = await enter(t, 'steered', storage);
  const gate = page.locator('.gate').nth(1);
  assert.equal(await gate.getAttribute('data-verdict'), 'pass');
  await gate.getByText('The wave waits for an operator to open it: racks.').waitFor();
});

test('a retarget names the plan that took the work over', async (t) => {
  const after = (f) => (f.world.rollouts[0].continued_by = { plan: f.world.rollouts[0].continues.plan, name: 'storage-3', patch: { name: 'af-unix-ioctl', level: 3 }, status: 'approved' });
  const { page } = await enter(t, 'steered', storage, { prepare: after });
  await page.getByText('Starting it halts this one and takes its work over.').waitFor();
  assert.match(await page.getByRole('link', { name: 'storage-3' }).getAttribute('href'), /^\/rollouts\/sha256:/);
});

test('a wave that waits for a person is opened with one click and one confirmation', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  await page.getByRole('button', { name: 'Open wave 3' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('9 hosts of wave 3 ("racks") may start').waitFor();
  await dialog.getByText('hotstick rollout next-wave unix-ioctl-storage --reason').waitFor();
  await confirm(page, 'Open wave 3', 'canaries look well');
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/rollouts/PLAN/next-wave', body: { reason: 'canaries look well' } }]);
  await page.getByRole('button', { name: 'Open wave 3' }).waitFor({ state: 'detached' });
  await page.getByRole('region', { name: 'Where it stands' }).getByText('opened by hand').waitFor();
  assertQuiet(page);
});

test('a word never replaces a gate: the button says what the wave waits for', async (t) => {
  const bake = (f) => (f.world.rollouts[0].waves[2].closed = { code: 'bake', text: 'The wave before must stay healthy for its bake time first.' });
  const { page } = await enter(t, 'steered', storage, { prepare: bake });
  const button = page.getByRole('button', { name: 'Open wave 3' });
  assert.ok(await button.isDisabled());
  assert.match(await button.getAttribute('title'), /bake time first/);
});

test('one host or all that failed make a new attempt', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  const troubles = page.getByRole('region', { name: 'Hosts to look at' });
  await troubles.locator('li', { hasText: 'store-09' }).getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('dialog').getByText('hotstick rollout retry unix-ioctl-storage --host store-09 --reason').waitFor();
  await confirm(page, 'Retry the host', 'driver is there now');
  await page.getByRole('button', { name: 'Retry 1', exact: true }).click();
  await page.getByRole('dialog').getByText('hotstick rollout retry unix-ioctl-storage --failed --reason').waitFor();
  await confirm(page, 'Retry 1 host', 'again');
  const host = fixture.world.hosts.find((h) => h.name === 'store-09').id;
  assert.deepEqual(posts(fixture), [
    { path: '/api/v1/rollouts/PLAN/retry', body: { hosts: [host], reason: 'driver is there now' } },
    { path: '/api/v1/rollouts/PLAN/retry', body: { failed: true, reason: 'again' } },
  ]);
  await page.getByRole('button', { name: /^Retry \d/ }).waitFor({ state: 'detached' });
});

test('a host that ended badly is let go, and the page says what that means', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  const row = page.getByRole('region', { name: 'Hosts to look at' }).locator('li', { hasText: 'store-09' });
  await row.getByRole('button', { name: 'Dismiss' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('store-09 no longer holds its lane; its strike stays, and unix-ioctl-storage does not patch it.').waitFor();
  await dialog.getByText('The lane still needs a confirmed canary.').waitFor();
  await dialog.getByText('hotstick rollout dismiss unix-ioctl-storage store-09 --reason').waitFor();
  await confirm(page, 'Dismiss the host', 'bad memory');
  const host = fixture.world.hosts.find((h) => h.name === 'store-09').id;
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/rollouts/PLAN/dismiss', body: { host, reason: 'bad memory' } }]);
  await row.waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('one wave goes back while the others go on', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  await page.getByRole('button', { name: 'Revert wave 2' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Up to 4 hosts of wave 2 ("early") go back to the level before af-unix-ioctl@2').waitFor();
  await dialog.getByText('this does not halt the rollout').waitFor();
  await dialog.getByText('--wave 2 --reason').waitFor();
  await confirm(page, 'Revert wave 2', 'slow disks');
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/rollouts/PLAN/revert', body: { wave: 1, reason: 'slow disks' } }]);
});

test('one host goes back, from its own page', async (t) => {
  const { page, fixture } = await enter(t, 'steered', '/hosts/store-01');
  await page.getByRole('button', { name: 'Revert', exact: true }).click();
  await page.getByRole('dialog').getByText('hotstick rollout revert unix-ioctl-storage --host store-01 --reason').waitFor();
  await confirm(page, 'Revert the host', 'it is slow');
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/rollouts/PLAN/revert', body: { hosts: [fixture.world.hosts[0].id], reason: 'it is slow' } }]);
});

test('a host is kept out until a time, and let in again', async (t) => {
  const { page, fixture } = await enter(t, 'steered', '/hosts/store-20');
  await page.getByRole('button', { name: 'Exclude', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('That is 7 d').waitFor();
  await dialog.getByRole('textbox', { name: 'Until' }).fill('2030-01-02T03:04');
  await dialog.getByText(/hotstick host exclude store-20 --until 2030-01-0\dT\d\d:\d\d:00Z --reason/).waitFor();
  await confirm(page, 'Exclude the host', 'new disk');
  await page.getByText('Excluded by mara').waitFor();
  await page.getByRole('button', { name: 'Include', exact: true }).click();
  await confirm(page, 'Include the host', 'disk is in');
  await page.getByText('Excluded by mara').waitFor({ state: 'detached' });
  const host = fixture.world.hosts[19].id;
  const until = new Date('2030-01-02T03:04').toISOString().replace('.000Z', 'Z');
  assert.deepEqual(posts(fixture), [
    { path: `/api/v1/hosts/${host}/exclude`, body: { until, reason: 'new disk' } },
    { path: `/api/v1/hosts/${host}/include`, body: { reason: 'disk is in' } },
  ]);
  assertQuiet(page);
});

test('writing a lost host off says which slots it frees', async (t) => {
  const { page, fixture } = await enter(t, 'steered', '/hosts/store-03');
  await page.getByRole('region', { name: 'Slots that it holds' }).getByText('pool p3').waitFor();
  await page.getByRole('button', { name: 'Write off' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('3 slots it holds are freed: fleet, rack b3, pool p3.').waitFor();
  await dialog.getByText('Its identity ends for good').waitFor();
  await confirm(page, 'Write the host off', 'mainboard burnt');
  assert.deepEqual(posts(fixture), [{ path: `/api/v1/hosts/${fixture.world.hosts[2].id}/write-off`, body: { reason: 'mainboard burnt' } }]);
  await page.getByRole('region', { name: 'Slots that it holds' }).waitFor({ state: 'detached' });
});

test('a viewer sees the steps and why they do not work', async (t) => {
  const { page } = await enter(t, 'steered', storage, { role: 'viewer' });
  for (const name of ['Open wave 3', 'Retry 2', 'Revert wave 1', 'Rehearse']) {
    const button = page.getByRole('button', { name, exact: true });
    assert.ok(await button.isDisabled(), name);
    assert.match(await button.getAttribute('title'), /Needs the role operator/, name);
  }
});

test('a rehearsal is played, and the chosen patch is marked on the wave track', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  await page.getByRole('button', { name: 'Rehearse', exact: true }).click();
  const panel = page.getByRole('region', { name: 'Rehearsal: if the patch were bad' });
  await panel.getByText('17 of 20 halted').waitFor();
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/rollouts/PLAN/rehearsal', body: {} }]);
  await panel.getByRole('button', { name: '10%-killer' }).click();
  assert.match(page.url(), /rehearsed=10%25-killer/);
  await panel.getByText('12 of 20 at wave 2 early, halted after 1 h 30 min').waitFor();
  assert.deepEqual((await page.locator('.gate .rehearsed').allTextContents()).map((text) => text.trim()), ['stops 5/20', 'stops 12 of 20']);
  await panel.getByRole('button', { name: '10%-killer' }).click();
  assert.equal(await page.locator('.gate .rehearsed').count(), 0);
  assertQuiet(page);
});

test('a rehearsal that is refused says what to do instead', async (t) => {
  const { page, fixture } = await enter(t, 'steered', storage);
  page.expected = [/409/];
  fixture.failures.set(`/api/v1/rollouts/${encodeURIComponent(fixture.world.rollouts[0].plan)}/rehearsal`, { status: 409, code: 'conflict', title: 'Cannot rehearse now: another rehearsal is under way', hint: 'Try again in a moment.' });
  await page.getByRole('button', { name: 'Rehearse', exact: true }).click();
  await page.getByText('another rehearsal is under way').waitFor();
  await page.getByText('Try again in a moment.').waitFor();
});

test('a hundred thousand hosts are counted on the track and listed by the page', async (t) => {
  const { page, fixture } = await enter(t, 'grouped', '/rollouts/unix-ioctl-fleet');
  assert.equal(await page.locator('.track').getAttribute('data-mode'), 'stacks');
  const cells = page.locator('[data-cell]');
  assert.ok((await cells.count()) < 300);
  const counted = await cells.evaluateAll((all) => all.reduce((n, c) => n + Number(c.querySelector('.count').textContent.replaceAll(',', '')), 0));
  assert.equal(counted, 100_000);
  await page.getByText(/^1,8\d\d other kernel builds$/).first().waitFor();
  await page.locator('[data-cell][data-state="failed"]').first().focus();
  await page.keyboard.press('Enter');
  assert.match(page.url(), /wave=3&state=failed&build=\w{40}/);
  const hosts = page.getByRole('region', { name: /^Hosts/ });
  await hosts.getByText(/hotstick rollout hosts unix-ioctl-fleet --wave 4 --state failed --build/).waitFor();
  await hosts.getByRole('button', { name: /show every build/ }).click();
  await hosts.getByRole('link', { name: 'node-221' }).waitFor();
  assert.equal(await hosts.getByRole('link').count(), 4);
  await hosts.getByRole('combobox', { name: /^State/ }).selectOption('');
  await hosts.getByRole('combobox', { name: /^Wave/ }).selectOption('');
  await hosts.getByText('100 hosts of 400 shown').waitFor();
  await hosts.getByRole('button', { name: 'Show more' }).click();
  await hosts.getByText('200 hosts of 400 shown').waitFor();
  const reads = fixture.requests.filter((r) => r.path.endsWith('/hosts')).map((r) => new URLSearchParams(r.query).get('page') ?? '');
  assert.equal(reads.at(-1), '100');
  assertQuiet(page);
});

test('listed hosts of a large plan keep up with what happens', async (t) => {
  const { page, fixture } = await enter(t, 'grouped', '/rollouts/unix-ioctl-fleet?state=failed');
  const hosts = page.getByRole('region', { name: /^Hosts/ });
  await hosts.getByRole('link', { name: 'node-222' }).waitFor();
  const [, cell] = fixture.world.listed.filter((c) => c.state === 'failed');
  fixture.world.update({ kind: 'host', plan: fixture.world.rollouts[0].plan, host: cell.host }, () => (cell.state = 'waiting'));
  await eventually(() => hosts.getByRole('link').count(), (n) => n === 3, 'the list without the host');
});

test('many small lanes are drawn as one', () => {
  const waves = scenarios.grouped(now).rollouts[0].waves;
  const layout = track.layout(waves, ['rack']);
  assert.equal(layout.lanes.length, track.limits.lanes);
  const rest = layout.lanes.at(-1);
  assert.ok(rest.others > 1800);
  const [one] = scenarios.fleet(now, 400).rollouts[0].waves.slice(-1);
  one.hosts = one.hosts.slice(0, 100).map((c, i) => ({ ...c, build: { ...c.build, build_id: `b${i}` } }));
  const many = track.layout([one], ['rack']);
  assert.equal(many.lanes.length, track.limits.lanes);
  assert.equal(many.lanes.reduce((n, l) => n + l.hosts, 0), 100);
  assert.equal(many.lanes.at(-1).others, 100 - track.limits.lanes + 1);
});

test('the calendar shows freezes and windows, and who is kept out', async (t) => {
  const { page, fixture } = await enter(t, 'steered', '/calendar');
  await page.getByRole('heading', { name: /^No freeze is on; the next begins/ }).waitFor();
  await page.getByRole('img', { name: /^Windows night: / }).waitFor();
  assert.equal(await page.locator('.line .bar.freeze').count(), 1);
  assert.ok((await page.locator('.line .bar.window').count()) >= 12);
  await page.getByRole('button', { name: 'Freeze changes' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Reverts go on, and so do bans and halts.').waitFor();
  await confirm(page, 'Freeze changes', 'storm');
  await page.getByRole('heading', { name: /^Nothing starts until .*: changes are frozen/ }).waitFor();
  assert.equal(posts(fixture)[0].path, '/api/v1/freezes');
  assert.deepEqual(Object.keys(posts(fixture)[0].body), ['until', 'reason']);
  await page.locator('li', { hasText: 'storm' }).getByRole('button', { name: 'Take back' }).click();
  await confirm(page, 'Take it back', 'it is over');
  await page.getByRole('heading', { name: /^No freeze is on/ }).waitFor();
  await page.locator('li', { hasText: 'store-13' }).getByRole('button', { name: 'Include' }).click();
  await confirm(page, 'Include the host', 'disk is in');
  await page.getByRole('link', { name: 'store-13' }).waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('the overview says that changes are frozen, and how many hosts are kept out', async (t) => {
  const on = (f) => (f.world.freezes[0].active = true);
  const { page } = await enter(t, 'steered', '/', { prepare: on });
  await page.getByText(/^Changes are frozen until .*\.$/).waitFor();
  await page.getByRole('link', { name: '1 host excluded.' }).click();
  assert.match(page.url(), /\/calendar$/);
});

test('g l leads to the calendar', async (t) => {
  const { page } = await enter(t, 'empty', '/');
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await page.getByRole('heading', { name: 'No freeze is on or to come' }).waitFor();
  assert.match(page.url(), /\/calendar$/);
});

for (const [name, scenario, path] of [['a rollout that waits for a person', 'steered', storage], ['a rollout of 100,000 hosts', 'grouped', '/rollouts/unix-ioctl-fleet'], ['the calendar', 'steered', '/calendar'], ['a lost host', 'steered', '/hosts/store-03']]) {
  test(`${name} fits a phone in the dark`, async (t) => {
    const { page } = await enter(t, scenario, path, { viewport: narrow, colorScheme: 'dark', hasTouch: true });
    await page.locator('h1').waitFor();
    await assertNoSideways(page);
    assertQuiet(page);
  });
}

test('freezes that meet are one', () => {
  const freeze = (from, until) => ({ id: '1', from: new Date(now + from).toISOString(), until: new Date(now + until).toISOString(), reason: 'x', active: from <= 0 });
  assert.equal(calendar.frozenUntil([freeze(-10, 20), freeze(20, 50), freeze(60, 70)], now), now + 50);
  assert.equal(calendar.frozenUntil([freeze(10, 20)], now), undefined);
  assert.deepEqual(calendar.bars([{ from: new Date(now - 100).toISOString(), until: new Date(now + 50).toISOString() }], now, now + 100).map((b) => [b.from, b.to]), [[0, 0.5]]);
});

test('only what the server allows is offered for a host', () => {
  for (const [state, retry, revert] of [['failed', true, false], ['interrupted', true, false], ['confirmed', false, true], ['lost', false, true], ['quarantined', false, false], ['reverted', false, false], ['waiting', false, false]]) {
    assert.equal(steer.mayRetry(state), retry, state);
    assert.equal(steer.mayRevert(state), revert, state);
    assert.equal(steer.mayDismiss(state), ['failed', 'interrupted', 'quarantined', 'reverted'].includes(state), state);
  }
  const cut = { code: 'verification_failed', text: '' };
  assert.equal(steer.mayRetry('skipped', cut, 4), true, 'its attempts were cut short too often');
  assert.equal(steer.mayRetry('skipped', cut, 1), false);
  assert.equal(steer.mayRetry('skipped', { code: 'dismissed', text: '' }, 4), false);
  assert.equal(steer.mayRetry('failed', { code: 'revert_failed', text: '' }), false, 'a way back that failed needs hands');
});

test('a time of a field is local, and a domain reads as people say it', () => {
  assert.equal(new Date(format.localInput(now)).getTime(), now);
  assert.equal(format.domainText({ domain: 'fleet', value: 'all' }), 'fleet');
  assert.equal(format.domainText({ domain: 'rack', value: 'a\u202e1' }), 'rack a\ufffd1');
});

test('a rehearsal adds up what stopped at one gate', () => {
  const stops = [{ wave: 1, runs: 3 }, { wave: 1, runs: 4 }, { wave: 0, runs: 1 }];
  assert.deepEqual([...rehearsal.stopsByWave({ runs: 20, stops })], [[1, { runs: 7, of: 20 }], [0, { runs: 1, of: 20 }]]);
});
