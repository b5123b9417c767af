// Every page shows what the server says, at both widths and in both themes,
// without a complaint from the browser and without scrolling sideways.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertNoSideways, assertQuiet, narrow, stage } from './browser.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);

const views = [
  ['the overview', 'running', '/', '1 rollout moves', ['Needs a person', 'unix-ioctl-everywhere', '6.1.0-47-amd64', 'web-01 stayed healthy and is confirmed.']],
  ['the overview of an empty fleet', 'empty', '/', 'No host has joined yet', ['hotstick host add']],
  ['the overview after a strike', 'struck', '/', '1 host struck', ['1 host silent.', 'af-unix-ioctl@3 is banned']],
  ['the overview with an approval', 'proposed', '/', '1 plan waits', ['Approval:', 'hotstick rollout approve unix-ioctl-everywhere --key FILE']],
  ['the host list', 'struck', '/hosts', '4 hosts in the fleet', ['web-01', 'quarantined', 'Struck by af-unix-ioctl@3.']],
  ['an empty host list', 'empty', '/hosts', 'No host has joined yet', ['hotstick host add']],
  ['a host', 'struck', '/hosts/web-01', 'web-01 runs af-unix-ioctl@2 and refuses af-unix-ioctl@3 after a crash', ['In its kernel', 'af_unix_ioctl_2', 'out-of-tree module', 'rack=a1']],
  ['the overview of a fleet that somebody works on', 'survives', '/', '1 transition stalled, 2 hosts drifting', ['1 host stalled.', '2 hosts drifting.', 'is stopped on machines like web-ill', 'Supermicro SYS-6029P-TR']],
  ['the hosts that somebody works on', 'survives', '/hosts', '6 hosts in the fleet', ['Its transition stalls: af_unix_ioctl_2.', 'Drifts: a patch that is not ours was loaded.', 'Held on the host by erin.', 'Switched off on the host.']],
  ['a host whose transition stalls', 'survives', '/hosts/db-stalled', 'db-stalled is moving to new code', ['3 tasks not moved after 41 s.', 'thread 4411 of postgresql@15-main.service: inside function vmlinux:unix_ioctl', 'kernel thread 812: uninterruptible', 'unix_ioctl+0x41/0x1c0', 'moving in']],
  ['a host with a patch that is not ours', 'survives', '/hosts/web-foreign', 'web-foreign runs af-unix-ioctl@2', ['Drifts: a patch that is not ours was loaded', 'found kpatch_5_14_0_427_1_1 of kpatch', 'kpatch manages this kernel.']],
  ['a host whose level was taken out', 'survives', '/hosts/web-removed', 'web-removed runs its kernel as it booted', ['Drifts: its level was taken out', 'Expected af-unix-ioctl@2, found as booted.']],
  ['a host that somebody holds', 'survives', '/hosts/db-held', 'db-held runs af-unix-ioctl@2', ['Held on the host by erin', 'the quarter closes tonight']],
  ['a host that is switched off', 'survives', '/hosts/db-off', 'db-off runs af-unix-ioctl@2', ['Switched off on the host by command line']],
  ['a host with the numbers of its probes', 'survives', '/hosts/web-ill', 'web-ill runs af-unix-ioctl@2; the last attempt failed', ['413 ms, usually 1.9 ms, limit 20 ms', '3.12 %, limit 60 %', '18 KiB/s, usually 15 KiB/s, limit 256 KiB/s', 'above the limit in 20 of 24 values']],
  ['a host with systems of every class', 'mixed', '/hosts/sap-01', 'sap-01 runs sle-unix@6', ['Live-patch systems', 'class step', "the vendor's tools are run as the catalog's publishers signed it", 'by an older level, by a reboot; the level before is put in its place', 'its vendor makes patches for this kernel until 2027-03-19', '2 systems are not on this host']],
  ['a host whose system starts patches by itself', 'mixed', '/hosts/ora-01', 'ora-01 runs its kernel as it booted', ['it starts patches by itself, and is not on hold', 'not entitled', 'Your Ksplice subscription has expired']],
  ['a rollout that closes a CVE', 'mixed', '/rollouts/close-52928', '3 of 7 hosts confirmed', ['closes CVE-2026-52928', 'Where CVE-2026-52928 stays open', 'No patch of any system that this host has fixes it here', 'ora-01', '1 host is rebooted', 'class step, 3 hosts (suse, reboot)', 'sle-unix@6', 'granted a start of class pin']],
  ['the rollout list', 'halted', '/rollouts', 'No rollout is active', ['Halted', 'The gate judged the patch bad']],
  ['an empty rollout list', 'empty', '/rollouts', 'No rollout yet', ['hotstick rollout plan']],
  ['a running rollout', 'running', '/rollouts/unix-ioctl-everywhere', '1 of 4 hosts confirmed', ['web-02', 'probation', 'Could have missed a crash rate up to 95 %', 'The signed plan']],
  ['a halted rollout', 'halted', '/rollouts/unix-ioctl-everywhere', 'Halted: web-02 reverted', ['It cannot be resumed', 'Hosts to look at', '503 Service Unavailable']],
  ['a rollout that waits', 'proposed', '/rollouts/unix-ioctl-everywhere', 'Waits for 2 more signatures', ['2 more persons sign', 'The plan lacks approvals.']],
  ['a rollout of 200 hosts', 'fleet', '/rollouts/unix-ioctl-fleet', '34 of 200 hosts confirmed', ['Rows are racks', '22 of 40 confirmed']],
  ['the catalog', 'struck', '/catalog', '4 signed levels of 2 patches; 1 banned', ['Signatures run out.', 'its author and 2 other persons', 'Epoch']],
  ['an empty catalog', 'empty', '/catalog', 'The catalog is empty', ['hotstick patch publish']],
  ['a banned patch', 'struck', '/catalog/af-unix-ioctl/3', 'af-unix-ioctl@3 is banned', ['vmlinux:unix_ioctl', 'live: disable and unload', 'CVE-2026-52928']],
  ['the activity', 'halted', '/activity', 'What happened, newest first', ['af-unix-ioctl@2 is banned.', 'Evidence: probe']],
  ['a page that is not there', 'running', '/nowhere/at/all', 'There is no such page', ['Go to the overview']],
];

for (const [name, scenario, path, headline, texts] of views) {
  test(`${name} shows what it should`, async (t) => {
    const { page } = await enter(t, scenario, path);
    await page.getByRole('heading', { name: headline }).first().waitFor();
    const seen = await page.locator('main').innerText();
    for (const text of texts) assert.ok(seen.includes(text), `cannot find "${text}" in:\n${seen}`);
    await assertNoSideways(page);
    assertQuiet(page);
  });

  test(`${name} fits a phone in the dark`, async (t) => {
    const { page } = await enter(t, scenario, path, { viewport: narrow, colorScheme: 'dark', hasTouch: true });
    await page.getByRole('heading', { name: headline }).first().waitFor();
    await assertNoSideways(page);
    assertQuiet(page);
  });
}

test('every page names the command that gives the same answer, and copies it', async (t) => {
  const { page } = await enter(t, 'struck', '/hosts?state=quarantined&search=web');
  const button = page.getByRole('button', { name: 'Copy the command: hotstick host list --search web --state quarantined' });
  await button.click();
  await page.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'hotstick host list --search web --state quarantined');
  for (const [path, command] of [
    ['/', 'hotstick host list'], ['/hosts/web-01', 'hotstick why web-01'], ['/rollouts', 'hotstick rollout list'], ['/rollouts/unix-ioctl-3', 'hotstick rollout show unix-ioctl-3'],
    ['/catalog', 'hotstick patch list'], ['/catalog/af-unix-ioctl/2', 'hotstick patch show af-unix-ioctl@2'], ['/activity', 'hotstick events list'],
  ]) {
    await page.goto(new URL(path, page.url()).href);
    await page.getByRole('button', { name: `Copy the command: ${command}`, exact: true }).waitFor();
  }
});

test('a wrong token is refused with what to do, the right one opens the page that was asked for', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/hosts', { signedIn: false });
  page.expected = [/401/];
  await page.getByRole('button', { name: 'Use a token' }).click();
  await page.getByLabel('Token').fill('rubbish');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Cannot sign in with this token').waitFor();
  await page.getByText('ask an admin for a new token').waitFor();
  await page.getByLabel('Token').fill('token-of-a-viewer');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: '4 hosts in the fleet' }).waitFor();
  assert.deepEqual(fixture.requests.filter((r) => r.method === 'POST').map((r) => r.body.token), ['rubbish', 'token-of-a-viewer']);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0, 'the token must not be kept');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assertQuiet(page);
});

test('a person signs in with a password, and a wrong one is cleared', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/hosts', { signedIn: false });
  page.expected = [/401/];
  await page.getByLabel('Person').fill('approver');
  await page.keyboard.press('Enter');
  assert.equal(fixture.requests.filter((r) => r.method === 'POST').length, 0, 'nothing is sent without a password');
  await page.getByLabel('Password').fill('rubbish');
  await page.keyboard.press('Enter');
  await page.getByText('Cannot sign in with this person and password').waitFor();
  assert.equal(await page.getByLabel('Password').inputValue(), '');
  await page.getByLabel('Password').fill('correct horse battery');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: '4 hosts in the fleet' }).waitFor();
  assert.deepEqual(fixture.requests.filter((r) => r.method === 'POST').map((r) => r.body), [{ person: 'approver', password: 'rubbish' }, { person: 'approver', password: 'correct horse battery' }]);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0, 'nothing must be kept');
  assert.match(await page.getByTitle(/^Signed in as/).innerText(), /approver/);
  assertQuiet(page);
});

test('a session that ends leads to the sign-in page', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/');
  page.expected = [/401|503/];
  fixture.signedIn = false;
  fixture.dropStreams();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('an error says what is wrong and what to do, and trying again works', async (t) => {
  const problem = { status: 503, code: 'unavailable', title: 'cannot read the database', hint: 'The disk may be full.' };
  const { page, fixture } = await enter(t, 'running', '/hosts', { prepare: (f) => f.failures.set('/api/v1/hosts', problem) });
  page.expected = [/503/];
  await page.getByRole('alert').getByText('Cannot read the database').waitFor();
  await page.getByText('The disk may be full.').waitFor();
  await page.getByText('Answer 503, code unavailable').waitFor();
  fixture.failures.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('db-02').waitFor();
  assertQuiet(page);
});

test('one person alone is marked as single control', async (t) => {
  const alone = (f) => Object.assign(f.world.catalog.trust, { author_may_approve: true, approvals: 1 });
  const { page } = await enter(t, 'running', '/catalog', { prepare: alone });
  await page.getByText('its author alone may approve it').waitFor();
  assert.equal(await page.getByText('Single control', { exact: true }).count(), 2, 'in the bar and in the panel');
});

test('the theme follows the system, can be chosen, and is remembered', async (t) => {
  const { page } = await enter(t, 'empty', '/', { colorScheme: 'dark' });
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.equal(await background(), 'rgb(14, 16, 19)');
  await page.getByRole('button', { name: /^Theme/ }).click();
  assert.equal(await background(), 'rgb(255, 255, 255)');
  await page.reload();
  assert.equal(await background(), 'rgb(255, 255, 255)');
  assertQuiet(page);
});
