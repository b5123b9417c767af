// Everything can be reached from the keyboard, and what has the focus shows it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertQuiet, eventually, narrow, stage } from './browser.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const path = (page) => new URL(page.url()).pathname + new URL(page.url()).search;

test('g and a letter go to the pages', async (t) => {
  const { page } = await enter(t, 'running', '/catalog');
  for (const [key, want] of [['o', '/'], ['h', '/hosts'], ['r', '/rollouts'], ['c', '/catalog'], ['a', '/activity']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await eventually(() => path(page), want, `g ${key}`);
  }
  await page.goBack();
  assert.equal(path(page), '/catalog');
  assertQuiet(page);
});

test('/ leads to a search field from everywhere, and typing there is only typing', async (t) => {
  const { page } = await enter(t, 'struck', '/');
  await page.keyboard.press('/');
  await eventually(() => path(page), '/hosts', 'the page');
  await eventually(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Search hosts', 'the focus');
  await page.keyboard.type('gh web?/');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('web');
  await eventually(() => path(page), '/hosts?search=web', 'the address');
  await page.getByRole('heading', { name: '2 hosts matching' }).waitFor();
  await page.keyboard.press('Escape');
  await eventually(() => path(page), '/hosts', 'the address');
});

test('? shows the keys, and the dialog gives the focus back', async (t) => {
  const { page } = await enter(t, 'running', '/');
  const link = page.getByRole('link', { name: 'Rollouts', exact: true });
  await link.focus();
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Move in the wave track').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  assert.equal(path(page), '/', 'keys do nothing behind a dialog');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.ok(await link.evaluate((e) => e === document.activeElement));
});

test('arrow keys move in the host list and Enter opens the host', async (t) => {
  const { page } = await enter(t, 'fleet', '/hosts');
  await page.getByRole('listbox', { name: 'Hosts' }).focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
  assert.equal(await page.locator('[aria-selected="true"] .name').innerText(), 'node-004');
  await page.keyboard.press('End');
  await page.getByText('node-200').waitFor();
  await eventually(() => page.locator('[aria-selected="true"] .name').innerText(), 'node-200', 'the last row');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^node-200/ }).waitFor();
});

test('arrow keys move in the wave track, show the reason, and Enter opens the host', async (t) => {
  const { page } = await enter(t, 'running', '/rollouts/unix-ioctl-everywhere');
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
  const cells = page.locator('[data-cell]');
  assert.deepEqual(await cells.evaluateAll((all) => all.map((c) => c.tabIndex)), [0, -1, -1, -1], 'one stop in the tab order');
  await cells.first().focus();
  await page.keyboard.press('ArrowRight');
  assert.match(await focused(), /^db-01: waiting/);
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(), /^db-02: waiting. An earlier wave has not passed its gate yet/);
  await page.getByRole('tooltip').getByText('An earlier wave has not passed').waitFor();
  await page.keyboard.press('ArrowLeft');
  assert.match(await focused(), /^web-02: probation/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^web-02 runs af-unix-ioctl@2, on probation/ }).waitFor();
  assertQuiet(page);
});

test('a touch shows the reason first and opens the host at the second', async (t) => {
  const { page, fixture } = await enter(t, 'fleet', '/rollouts/unix-ioctl-fleet', { viewport: narrow, hasTouch: true });
  const target = fixture.world.rollouts[0].waves[3].hosts.find((c) => c.state === 'admitted');
  const cell = page.locator(`[data-cell="${target.host}"]`);
  await cell.tap();
  await page.getByRole('tooltip').getByText('Slots are held; the host takes its grant').waitFor();
  assert.equal(path(page), '/rollouts/unix-ioctl-fleet');
  await cell.tap();
  await eventually(() => path(page), `/hosts/${target.host}`, 'the address');
});

test('arrow keys move in the rollout list and in the catalog', async (t) => {
  const { page } = await enter(t, 'struck', '/catalog');
  await page.getByRole('link', { name: 'af-unix-ioctl@3', exact: true }).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await eventually(() => path(page), '/catalog/af-unix-ioctl/2', 'the address');
});

test('what has the focus is outlined', async (t) => {
  const { page } = await enter(t, 'running', '/');
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.outerHTML.slice(0, 80), style.outlineStyle, parseFloat(style.outlineWidth)];
    });
    assert.ok(outline[1] === 'solid' && outline[2] >= 2, `no outline on ${outline[0]}`);
  }
});

test('filters stand in the address and reproduce the view', async (t) => {
  const { page } = await enter(t, 'fleet', '/hosts?state=probation');
  await page.getByRole('heading', { name: /hosts probation/ }).waitFor();
  await page.getByLabel('State', { exact: true }).selectOption('transitioning');
  await eventually(() => path(page), '/hosts?state=transitioning', 'the address');
  await page.getByRole('heading', { name: '4 hosts transitioning' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: '4 hosts transitioning' }).waitFor();
  assert.equal(await page.locator('[data-host]').count(), 4);
  assert.equal(await page.getByLabel('State', { exact: true }).inputValue(), 'transitioning');
});
