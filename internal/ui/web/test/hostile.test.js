// Attacks from a host: what it says of itself is text, wherever it is shown.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertQuiet, stage } from './browser.js';
import { hostID } from './fixture/fleet.js';
import { hostileName } from './fixture/scenarios.js';
import { serve } from './fixture/server.js';

const enter = stage({ before, after }, serve);
const id = hostID('web-02');
const visible = '<img src=x onerror=alert(1)>␛[31m\ufffdgnp.exe';

for (const [name, path] of [
  ['the overview', '/'], ['the host list', '/hosts'], ['its own page', `/hosts/${id}`], ['the rollout', '/rollouts/unix-ioctl-everywhere'], ['the activity', '/activity'],
]) {
  test(`a host name with markup and terminal escapes is text on ${name}`, async (t) => {
    const { page } = await enter(t, 'hostile', path);
    await page.getByText(visible).first().waitFor();
    const text = await page.locator('body').innerText();
    assert.ok(!text.includes('\u001b') && !text.includes('\u202e'), 'control characters are shown as such');
    assert.equal(await page.locator('main img, main script, main b').count(), 0, 'no element was made of it');
    assertQuiet(page);
  });
}

test('a reason and a label with a script in them are text', async (t) => {
  const { page } = await enter(t, 'hostile', `/hosts/${id}`);
  await page.getByText('<b>rack="><script>alert(2)</script>').waitFor();
  await page.getByText('<script>alert(3)</script>').first().waitFor();
  assertQuiet(page);
});

test('a copied command cannot carry a second command', async (t) => {
  const { page } = await enter(t, 'hostile', `/hosts/${id}`, { prepare: (f) => (f.world.hosts[1].name = "a'; reboot; echo '\n\u001b") });
  const command = await page.locator('.command code').first().innerText();
  assert.equal(command, "hotstick why $'a\\'; reboot; echo \\'\\x0a\\x1b'");
});

test('the policy stops a script that got in all the same', async (t) => {
  const { page } = await enter(t, 'running', '/');
  page.expected = [/policy violation/, /Content Security Policy/, /TrustedHTML|TrustedScript/];
  const ran = await page.evaluate(() => {
    globalThis.harmed = false;
    const script = document.createElement('script');
    try {
      script.text = 'harmed = true';
    } catch {
      return 'refused';
    }
    document.body.append(script);
    return globalThis.harmed;
  });
  assert.equal(ran, 'refused');
  assert.equal(await page.evaluate(() => {
    try {
      document.body.insertAdjacentHTML('beforeend', '<img src=x>');
      return 'inserted';
    } catch {
      return 'refused';
    }
  }), 'refused');
  assert.ok(hostileName.includes('\u001b'), 'the attack is in the scenario');
});
