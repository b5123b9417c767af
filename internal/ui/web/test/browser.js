// Chromium, driven by playwright-core, and the checks that hold on every page.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

export const wide = { width: 1280, height: 800 };
export const narrow = { width: 390, height: 844 };

/** Starts the browser; HOTSTICK_CHROMIUM names another executable. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.HOTSTICK_CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * Opens a page in a context of its own. Its complaints gather what no page may
 * do: console errors, uncaught exceptions, violations of the policy, dialogs.
 */
export async function open(browser, url, { viewport = wide, colorScheme = 'light', hasTouch = false, init } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, hasTouch, isMobile: hasTouch, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.complaints = [];
  page.expected = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`policy violation: ${e.violatedDirective} ${e.blockedURI}`));
  });
  if (init) await page.addInitScript(init);
  await page.goto(url);
  return page;
}

/** Fails on any complaint but those that match an expected pattern. */
export function assertQuiet(page) {
  const left = page.complaints.filter((c) => !page.expected.some((pattern) => pattern.test(c)));
  assert.deepEqual(left, []);
}

export async function assertNoSideways(page) {
  const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(scroll <= client, `the page is ${scroll} px wide in a window of ${client} px`);
}

/** One browser for a test file, and pages that clean up after themselves. */
export function stage({ before, after }, serve) {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());
  return async (t, scenario, path = '/', { role, signedIn, prepare, ...options } = {}) => {
    const fixture = await serve(scenario, { role, signedIn });
    prepare?.(fixture);
    const page = await open(browser, fixture.url + path, options);
    t.after(async () => {
      await page.context().close();
      await fixture.close();
    });
    await page.locator('main').waitFor();
    await page.waitForFunction(() => !document.querySelector('.skeleton'));
    return { page, fixture };
  };
}

/** Waits until a value that is read again and again is as wanted. */
export async function eventually(read, want, what) {
  const end = Date.now() + 12_000;
  for (;;) {
    const got = await read();
    if (typeof want === 'function' ? want(got) : got === want) return got;
    if (Date.now() > end) assert.fail(`${what}: still ${JSON.stringify(got)}`);
    await new Promise((next) => setTimeout(next, 40));
  }
}
