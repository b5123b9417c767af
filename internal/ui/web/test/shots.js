// Takes pictures of every page for a person to look at:
//   node test/shots.js DIRECTORY [PART OF A NAME]
import { mkdirSync } from 'node:fs';
import { launch, narrow, open, wide } from './browser.js';
import { serve } from './fixture/server.js';

const [directory, part = ''] = process.argv.slice(2);
if (!directory) throw new Error('usage: node test/shots.js DIRECTORY [PART OF A NAME]');
mkdirSync(directory, { recursive: true });

const plan = '/rollouts/';
const views = [
  ['signin', 'running', '/', { signedIn: false }],
  ['overview', 'running', '/'],
  ['overview-empty', 'empty', '/'],
  ['overview-struck', 'struck', '/'],
  ['hosts', 'fleet', '/hosts'],
  ['hosts-four', 'struck', '/hosts'],
  ['hosts-empty', 'empty', '/hosts'],
  ['host', 'struck', '/hosts/web-01'],
  ['beside-overview', 'survives', '/'],
  ['beside-hosts', 'survives', '/hosts'],
  ['beside-stalled', 'survives', '/hosts/db-stalled'],
  ['beside-foreign', 'survives', '/hosts/web-foreign'],
  ['beside-removed', 'survives', '/hosts/web-removed'],
  ['beside-held', 'survives', '/hosts/db-held'],
  ['beside-off', 'survives', '/hosts/db-off'],
  ['beside-ill', 'survives', '/hosts/web-ill'],
  ['mixed-host', 'mixed', '/hosts/sap-01'],
  ['mixed-unheld', 'mixed', '/hosts/ora-01'],
  ['mixed-plan', 'mixed', `${plan}close-52928`],
  ['host-stale', 'struck', '/hosts/db-02'],
  ['host-hostile', 'hostile', '/hosts'],
  ['rollouts', 'halted', '/rollouts'],
  ['rollout', 'running', `${plan}unix-ioctl-everywhere`],
  ['rollout-halted', 'halted', `${plan}unix-ioctl-everywhere`],
  ['rollout-fleet', 'fleet', `${plan}unix-ioctl-fleet`],
  ['rollout-thousands', 'thousands', `${plan}unix-ioctl-fleet`],
  ['rollout-proposed', 'proposed', `${plan}unix-ioctl-everywhere`],
  ['steered', 'steered', `${plan}unix-ioctl-storage`],
  ['grouped', 'grouped', `${plan}unix-ioctl-fleet?wave=3&state=failed`],
  ['rehearsal', 'steered', `${plan}unix-ioctl-storage?rehearsed=10%25-killer`, {}, async (page) => {
    await page.getByRole('button', { name: 'Rehearse', exact: true }).click();
    await page.getByRole('heading', { name: /is stopped/ }).waitFor();
    await page.evaluate(() => scrollTo(0, document.getElementById('rehearsal').getBoundingClientRect().top + scrollY - 64));
  }],
  ['next-wave', 'steered', `${plan}unix-ioctl-storage`, {}, (page) => page.getByRole('button', { name: 'Open wave 3' }).click()],
  ['host-excluded', 'steered', '/hosts/store-13'],
  ['host-lost', 'steered', '/hosts/store-03'],
  ['exclude', 'steered', '/hosts/store-01', {}, (page) => page.getByRole('button', { name: 'Exclude' }).click()],
  ['calendar', 'steered', '/calendar'],
  ['calendar-empty', 'empty', '/calendar'],
  ['catalog', 'struck', '/catalog'],
  ['patch', 'struck', '/catalog/af-unix-ioctl/3'],
  ['activity', 'halted', '/activity'],
  ['halt-dialog', 'running', `${plan}unix-ioctl-everywhere`, {}, (page) => page.getByRole('button', { name: 'Halt' }).first().click()],
  ['lost', 'running', `${plan}unix-ioctl-everywhere`, {}, async (page, fixture) => {
    fixture.refuseStreams = true;
    fixture.dropStreams();
    await page.getByText('Live connection lost').waitFor();
  }],
  ['hover', 'fleet', `${plan}unix-ioctl-fleet`, {}, (page) => page.locator('[data-state="probation"][data-cell]').first().focus()],
  ['help', 'running', '/', {}, (page) => page.keyboard.press('?')],
  ['error', 'running', '/hosts', { failures: [['/api/v1/hosts', { status: 503, code: 'unavailable', title: 'Cannot read the database', hint: 'The disk may be full; the server log has the cause.' }]] }],
];

const browser = await launch();
for (const [name, scenario, path, { failures = [], ...options } = {}, act] of views.filter(([n]) => n.includes(part))) {
  const fixture = await serve(scenario, options);
  for (const [prefix, problem] of failures) fixture.failures.set(prefix, problem);
  for (const [size, viewport] of [['wide', wide], ['narrow', narrow]]) {
    for (const colorScheme of ['light', 'dark']) {
      fixture.refuseStreams = false;
      const page = await open(browser, fixture.url + path, { viewport, colorScheme, hasTouch: size === 'narrow' });
      await page.locator('main').waitFor();
      await page.waitForFunction(() => !document.querySelector('.skeleton'));
      await act?.(page, fixture);
      await page.waitForTimeout(150);
      await page.screenshot({ path: `${directory}/${name}-${size}-${colorScheme}.png`, fullPage: !act && name !== 'hosts' });
      await page.context().close();
    }
  }
  await fixture.close();
}
await browser.close();
