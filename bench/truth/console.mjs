// Keeps the console's host list open in Chromium and says, for each line on stdin, what
// it shows: one line of JSON, {"hosts": [{name, state, level}]}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [web, server, token] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${web}/package.json`));
const { chromium } = require('playwright-core');
const browser = await chromium.launch({
  executablePath: process.env.HOTSTICK_CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
const page = await context.newPage();
page.setDefaultTimeout(60_000);
await page.goto(`${server}/hosts`);
await page.getByRole('button', { name: 'Use a token' }).click();
await page.locator('input[name=token]').fill(token);
await page.keyboard.press('Enter');
await page.locator('[data-host]').first().waitFor();
console.log(JSON.stringify({ ready: true }));

// A row that is drawn but has no host yet is not an answer.
const read = () =>
  page.evaluate(() =>
    [...document.querySelectorAll('[data-host]')].map((row) => ({
      name: row.querySelector('.name').textContent.trim(),
      state: row.querySelector('[data-state]').dataset.state,
      level: row.querySelector('.level').textContent.trim(),
    })),
  );
for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify({ hosts: await read() }));
await browser.close();
