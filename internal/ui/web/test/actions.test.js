// Stopping things: one click and one confirmation away, with exactly what will
// happen, and the right request.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertQuiet, narrow, stage } from './browser.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const rollout = '/rollouts/unix-ioctl-everywhere';

const posts = (fixture) => fixture.requests.filter((r) => r.method === 'POST').map(({ path, body }) => ({ path: decodeURIComponent(path), body }));

const cases = [
  ['running', 'Hold', 'Hold rollout', 'hold', 'No further host starts and no wave opens until somebody resumes. 2 hosts wait.'],
  ['running', 'Halt', 'Halt rollout', 'halt', 'It cannot be resumed. Going on takes a new plan with new signatures.'],
  ['running', 'Revert', 'Revert rollout', 'revert', 'Up to 2 hosts go back to the level that was in effect before af-unix-ioctl@2'],
  ['halted', 'Revert', 'Revert rollout', 'revert', 'Up to 1 host goes back'],
];

for (const [scenario, button, confirm, verb, effect] of cases) {
  test(`${button} on a ${scenario} rollout says what happens, asks for a reason and sends it`, async (t) => {
    const { page, fixture } = await enter(t, scenario, rollout);
    await page.locator('main').getByRole('button', { name: button, exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(effect).waitFor();
    await dialog.getByRole('button', { name: confirm }).click();
    await dialog.getByText('Say why in a few words.').waitFor();
    assert.deepEqual(posts(fixture), [], 'nothing is sent without a reason');
    await dialog.getByRole('textbox').fill("it's odd");
    await dialog.getByText(`hotstick rollout ${verb} unix-ioctl-everywhere --reason 'it'\\''s odd'`).waitFor();
    await dialog.getByRole('button', { name: confirm }).click();
    await dialog.waitFor({ state: 'detached' });
    const plan = fixture.world.rollouts[0].plan;
    assert.deepEqual(posts(fixture), [{ path: `/api/v1/rollouts/${plan}/${verb}`, body: { reason: "it's odd" } }]);
    assertQuiet(page);
  });
}

test('a held rollout can be resumed, and only then', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  const main = page.locator('main');
  assert.equal(await main.getByRole('button', { name: 'Resume' }).count(), 0);
  await main.getByRole('button', { name: 'Hold', exact: true }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('look first');
  await page.keyboard.press('Enter');
  await main.getByText('Held:').waitFor();
  await main.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('looked');
  await page.keyboard.press('Enter');
  await main.getByRole('button', { name: 'Hold', exact: true }).waitFor();
  assert.deepEqual(posts(fixture).map((p) => p.path.split('/').at(-1)), ['hold', 'resume']);
});

test('an approved plan is started without a reason', async (t) => {
  const { page, fixture } = await enter(t, 'proposed', rollout, { prepare: (f) => (f.world.rollouts[0].status = 'approved') });
  await page.locator('main').getByRole('button', { name: 'Start' }).click();
  await page.getByRole('dialog').getByText('The plan is announced to 4 hosts').waitFor();
  await page.getByRole('button', { name: 'Start rollout' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(posts(fixture).map((p) => p.body), [{}]);
});

for (const [where, options] of [['a wide screen', {}], ['a phone', { viewport: narrow, hasTouch: true }]]) {
  test(`stop everything is one click and one confirmation away from any page on ${where}`, async (t) => {
    const { page, fixture } = await enter(t, 'running', '/catalog', options);
    await page.getByRole('button', { name: 'Stop everything' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 rollout is halted for good: unix-ioctl-everywhere.').waitFor();
    await dialog.getByText('New starts are blocked on the whole fleet').waitFor();
    await dialog.getByRole('textbox').fill('3 a.m.');
    await dialog.getByRole('button', { name: 'Stop everything' }).click();
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual(posts(fixture), [{ path: '/api/v1/stop', body: { reason: '3 a.m.' } }]);
    const bar = page.getByRole('complementary', { name: 'What moves now' });
    await bar.getByText('Everything is stopped').waitFor();
    await bar.getByRole('button', { name: 'Lift the stop' }).click();
    await dialog.getByRole('textbox').fill('it was a drill');
    await dialog.getByRole('button', { name: 'Lift the stop' }).click();
    await bar.waitFor({ state: 'detached' });
    assert.deepEqual(posts(fixture).at(-1), { path: '/api/v1/stop', body: { reason: 'it was a drill', lift: true } });
    assertQuiet(page);
  });
}

test('a patch is banned with a reason', async (t) => {
  const { page, fixture } = await enter(t, 'running', '/catalog/af-unix-ioctl/2');
  await page.getByRole('button', { name: 'Ban', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('No host arms af-unix-ioctl@2 any more').waitFor();
  await dialog.getByText('Nothing is reverted: 1 host that has it in effect keeps it').waitFor();
  await dialog.getByRole('textbox').fill('smells');
  await dialog.getByRole('button', { name: 'Ban af-unix-ioctl@2', exact: true }).click();
  await page.getByRole('heading', { name: 'af-unix-ioctl@2 is banned' }).waitFor();
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/patches/af-unix-ioctl/2/ban', body: { reason: 'smells' } }]);
});

test('an admin makes the one line that lets a host join', async (t) => {
  const { page, fixture } = await enter(t, 'empty', '/');
  await page.getByRole('button', { name: 'Add a host' }).click();
  await page.getByLabel('It works for').selectOption('1 day');
  await page.getByRole('button', { name: 'Make the line' }).click();
  await page.getByText('hotstick-agent join --server').waitFor();
  assert.deepEqual(posts(fixture), [{ path: '/api/v1/join-tokens', body: { ttl_seconds: 86400 } }]);
});

test('a viewer sees the buttons and why they do not work', async (t) => {
  const { page } = await enter(t, 'running', rollout, { role: 'viewer' });
  for (const name of ['Hold', 'Halt', 'Stop everything']) {
    const button = page.getByRole('button', { name, exact: true }).last();
    assert.ok(await button.isDisabled(), name);
    assert.match(await button.getAttribute('title'), /Needs the role operator/);
  }
});

test('a refusal stays in the dialog, with what the server says', async (t) => {
  const { page, fixture } = await enter(t, 'running', rollout);
  page.expected = [/409/];
  await page.locator('main').getByRole('button', { name: 'Hold', exact: true }).click();
  fixture.world.rollouts[0].status = 'halted';
  await page.getByRole('dialog').getByRole('textbox').fill('late');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('Cannot hold a halted rollout').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assertQuiet(page);
});
